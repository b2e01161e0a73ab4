package linux_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lvsdr/toolkit/lvsdr/linux"
)

// Whatever the umask says, everybody may look at what set-up writes: a plan needs no
// rights. The umask is the whole process's, so that no test may run beside this one.
func TestFilesPastTheUmask(t *testing.T) {
	before := unix.Umask(0o077)
	defer unix.Umask(before)
	root := t.TempDir()
	files := linux.OSFiles{Root: root}
	if err := files.WriteFile("/run/lvsdr/deep/director", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := files.Symlink("/x", "/etc/wants/link"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{
		"run": 0o755, "run/lvsdr": 0o755, "run/lvsdr/deep": 0o755, "run/lvsdr/deep/director": 0o644, "etc/wants": 0o755,
	} {
		info, err := os.Stat(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
