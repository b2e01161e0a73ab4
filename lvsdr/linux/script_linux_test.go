package linux

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Who but root may change a configuration, by its own rights or its folder's.
func TestWriters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "open")
	name := filepath.Join(dir, "c.yaml")
	for _, c := range []struct {
		dir, file os.FileMode
		want      string
	}{
		{0o755, 0o644, ""}, {0o755, 0o666, "others may write " + name}, {0o777, 0o644, "others may write " + dir},
		{0o777 | os.ModeSticky, 0o644, ""}, {0o777 | os.ModeSticky, 0o602, "others may write " + name},
	} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, c.file); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, c.dir); err != nil {
			t.Fatal(err)
		}
		if got := Writers(name); !strings.HasPrefix(got, c.want) || c.want == "" && strings.Contains(got, dir) {
			t.Errorf("%v in %v: %q, want %q", c.file, c.dir, got, c.want)
		}
	}
}

// A script that cannot be run, or that others may write, is refused with what is wrong.
func TestScript(t *testing.T) {
	if who := Writers("/"); os.Geteuid() != 0 || who != "" {
		t.Skip("nothing here is root's alone: " + who)
	}
	dir, err := os.MkdirTemp("", "lvsdr-test") // t.TempDir is in a folder that nobody may search
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "check")
	for _, c := range []struct {
		dir, file os.FileMode
		user      string
		want      string
	}{
		{0o755, 0o755, "nobody", ""}, {0o755, 0o700, "root", ""},
		{0o755, 0o700, "nobody", "nobody may not run " + name}, {0o750, 0o755, "nobody", "nobody may not run " + dir},
		{0o755, 0o644, "root", "root may not run " + name}, {0o755, 0o777, "nobody", "others may write " + name},
		{0o777, 0o755, "root", "others may write " + dir}, {0o755, 0o755, "lvsdr-nobody", "lvsdr-nobody is no user of this host"},
	} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, c.file); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, c.dir); err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := (keepalived{}).Script(t.Context(), name, c.user); err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%v in %v for %s: %q, want %q", c.file, c.dir, c.user, got, c.want)
		}
	}
	for gone, want := range map[string]string{filepath.Join(dir, "gone"): "no such file", dir: "no regular file"} {
		if err := (keepalived{}).Script(t.Context(), gone, "root"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", gone, err, want)
		}
	}
}
