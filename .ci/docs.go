// Docs prints the exported names without a doc comment of the packages in the
// directories given, and exits with status 1 if there are any.
package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
)

func main() {
	found := false
	for _, dir := range os.Args[1:] {
		c := checker{files: token.NewFileSet()}
		if err := c.directory(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		found = found || c.found
	}
	if found {
		os.Exit(1)
	}
}

type checker struct {
	files *token.FileSet
	found bool
}

// want reports name, declared at pos, unless one of docs documents it.
func (c *checker) want(pos token.Pos, name string, docs ...string) {
	for _, d := range docs {
		if d != "" {
			return
		}
	}
	c.found = true
	fmt.Printf("%s: %s has no doc comment\n", c.files.Position(pos), name)
}

func (c *checker) directory(dir string) error {
	p, err := build.ImportDir(dir, 0)
	if _, empty := err.(*build.NoGoError); empty { // tests alone
		return nil
	}
	if err != nil {
		return err
	}
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(c.files, filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	d, err := doc.NewFromFiles(c.files, files, p.ImportPath)
	if err != nil {
		return err
	}
	c.pkg(files[0].Package, d)
	return nil
}

func (c *checker) pkg(pos token.Pos, p *doc.Package) {
	c.want(pos, "package "+p.Name, p.Doc)
	c.values(p.Consts, "")
	c.values(p.Vars, "")
	c.funcs("", p.Funcs)
	for _, t := range p.Types {
		c.want(t.Decl.Pos(), t.Name, t.Doc)
		c.values(t.Consts, t.Doc)
		c.values(t.Vars, t.Doc)
		c.funcs("", t.Funcs)
		c.funcs(t.Name+".", t.Methods)
	}
}

// Methods that everybody knows need no comment.
var wellKnown = map[string]bool{"Error": true, "String": true, "Unwrap": true, "Is": true}

func (c *checker) funcs(prefix string, funcs []*doc.Func) {
	for _, f := range funcs {
		if prefix == "" || !wellKnown[f.Name] {
			c.want(f.Decl.Pos(), prefix+f.Name, f.Doc)
		}
	}
}

// values takes the comment of a group, or of its type, for one of each of its
// members.
func (c *checker) values(values []*doc.Value, ofType string) {
	for _, v := range values {
		for _, s := range v.Decl.Specs {
			s := s.(*ast.ValueSpec)
			for _, name := range s.Names {
				if name.IsExported() {
					c.want(name.Pos(), name.Name, v.Doc, s.Doc.Text(), s.Comment.Text(), ofType)
				}
			}
		}
	}
}
