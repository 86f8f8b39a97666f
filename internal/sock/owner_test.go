package sock

import (
	"io/fs"
	"testing"
)

// An owned is a kernel in which one process holds one netlink port.
type owned struct {
	Kernel
	holder error
	files  map[string]string
}

func (k owned) Holder(int, uint32) (Process, error) { return Process{ID: 77}, k.holder }

func (k owned) ReadFile(name string) ([]byte, error) {
	text, ok := k.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(text), nil
}

func TestOwnerOf(t *testing.T) {
	files := map[string]string{"/proc/77/comm": "firewall\n", "/proc/5/comm": "another\n"}
	for _, tt := range []struct {
		name   string
		holder error
		netns  int
		port   uint32
		want   Owner
		text   string
	}{
		{"found", nil, 0, 5, Owner{Port: 5, Process: 77, Name: "firewall"}, "netlink port 5 (process 77, firewall)"},
		{"not in sight", fs.ErrPermission, 0, 6, Owner{Port: 6}, "netlink port 6"},
		{"not in sight, and its port is the number of another process", fs.ErrPermission, 0, 5, Owner{Port: 5}, "netlink port 5"},
		{"nobody", fs.ErrNotExist, 0, 5, Owner{Port: 5, Nobody: true}, "netlink port 5"},
		{"in another namespace", nil, 3, 5, Owner{Port: 5}, "netlink port 5"},
	} {
		got := OwnerOf(owned{nil, tt.holder, files}, tt.netns, ProtoNetfilter, tt.port)
		if got != tt.want || got.String() != tt.text {
			t.Errorf("%s: %+v, %q, want %+v, %q", tt.name, got, got, tt.want, tt.text)
		}
	}
}

// The name of a process may contain bytes that are commands of a terminal.
func TestOwnerOfName(t *testing.T) {
	for name, want := range map[string]string{
		"fire wall\n":       "fire wall",
		"\x1b[31mred\x07\n": "?[31mred?",
		"\xff\xfe\n":        "?",
		"日本\n":              "日本",
		"\n":                "a program without a name",
	} {
		k := owned{nil, nil, map[string]string{"/proc/77/comm": name}}
		if got := OwnerOf(k, 0, ProtoNetfilter, 5).Name; got != want {
			t.Errorf("%q: name %q, want %q", name, got, want)
		}
	}
}
