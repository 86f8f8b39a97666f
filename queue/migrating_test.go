package queue_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/queue"
)

// TestMigrating compiles the Go code in the last columns of MIGRATING.md. Errors
// of the compiler name the line of the page.
func TestMigrating(t *testing.T) {
	page, err := os.ReadFile("MIGRATING.md")
	if err != nil {
		t.Skip(err)
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	source, count := pageSource(string(page))
	if count < 100 {
		t.Fatalf("the page has %d pieces of code, want 100 or more", count)
	}
	dir := t.TempDir()
	file, overlay := filepath.Join(dir, "page.go"), filepath.Join(dir, "overlay.json")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	const pkg = "migrating" // a package that exists only in the overlay
	replace, err := json.Marshal(map[string]any{
		"Replace": map[string]string{filepath.Join(here, pkg, "page.go"): file},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{file: source, overlay: string(replace)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("go", "build", "-buildvcs=false", "-gcflags=-e", "-overlay", overlay, "./"+pkg).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// pageNames are the names that the page's code uses.
const pageNames = `package page

import (
	"context"
	"slices"

	. "github.com/ipqueue/ipqueue/queue"
)

const n, m, i = 1, 1, 1

var (
	ctx       context.Context
	q         *Queue
	p         Packet
	b, d, rep []byte
	l         CTLabels
	_         = slices.Concat[[]byte]
)
`

var codeSpan = regexp.MustCompile("`([^`]+)`")

// pageSource returns a Go file with a function for each piece of code in the last
// columns of the page's tables, and how many these are.
func pageSource(page string) (source string, count int) {
	var s strings.Builder
	s.WriteString(pageNames)
	for i, line := range strings.Split(page, "\n") {
		row, ok := strings.CutSuffix(line, " |")
		if !ok {
			continue
		}
		last := row[strings.LastIndex(row, "| ")+1:]
		for _, span := range codeSpan.FindAllStringSubmatch(last, -1) {
			if code := pageStatement(span[1]); code != "" {
				fmt.Fprintf(&s, "\n//line MIGRATING.md:%d\nfunc _() { %s }\n", i+1, code)
				count++
			}
		}
	}
	return s.String(), count
}

// notGo are spans that are no code of this package.
var notGo = regexp.MustCompile(`^(break|select|bypass|wire|checksum|examples/[a-z]+)$`)

// pageStructs are the structs that the page names, some of whose fields stand
// there without their struct.
var pageStructs = []any{
	queue.Config{}, queue.Verdict{}, queue.CTChange{}, queue.Packet{}, queue.Conntrack{}, queue.Queue{},
}

// structOf returns the name of the struct that has the field, "" for the name of
// a struct.
func structOf(field string) (name string, ok bool) {
	for _, s := range pageStructs {
		t := reflect.TypeOf(s)
		if t.Name() == field {
			return "", true
		}
		if _, ok := t.FieldByName(field); ok {
			return t.Name(), true
		}
	}
	return "", false
}

// pageStatement makes a statement of a piece of code: an expression, a name, the
// head of a loop, or fields of a struct with their values.
func pageStatement(code string) string {
	if notGo.MatchString(code) {
		return ""
	}
	if strings.HasPrefix(code, "for ") {
		return code + " { _ = p }"
	}
	if field, _, ok := strings.Cut(code, ": "); ok {
		if name, ok := structOf(field); ok {
			return fmt.Sprintf("_ = %s{%s}", name, code)
		}
	}
	expr, err := parser.ParseExpr(code)
	if err != nil {
		return code // for the compiler to say what is wrong
	}
	switch e := expr.(type) {
	case *ast.CallExpr:
		return code
	case *ast.Ident:
		if _, ok := structOf(e.Name); ok {
			return ""
		}
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			if name, ok := structOf(x.Name); ok && name == "" {
				return fmt.Sprintf("_ = %s{}.%s", x.Name, e.Sel.Name)
			}
		}
	}
	return "_ = " + code
}
