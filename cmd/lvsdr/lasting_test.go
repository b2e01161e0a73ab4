package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A configuration that is rewritten keeps its rights, and a link to it stays one.
func TestRewriteFile(t *testing.T) {
	dir := t.TempDir()
	name, link := filepath.Join(dir, "c.yaml"), filepath.Join(dir, "link.yaml")
	if err := os.WriteFile(name, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("c.yaml", link); err != nil {
		t.Fatal(err)
	}
	if err := rewriteFile(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	info, err = os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("rights %v, %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(name); err != nil || string(text) != "new" {
		t.Errorf("%q, %v", text, err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".lvsdr*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// systemd ignores a command that is not UTF-8.
func TestNamesThatCannotLast(t *testing.T) {
	s := &session{sys: &system{writers: func(string) string { return "" }}}
	for name, want := range map[string]string{
		"/etc/caf\xe9.yaml": "is not UTF-8", "/dev/fd/63": "cannot be read again at boot", "/etc/lvsdr/lvsdr.yaml": "", "/devices/c.yaml": "",
	} {
		err := s.lasts(&source{file: name})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
}
