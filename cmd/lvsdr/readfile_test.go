package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A configuration is read to its end or refused at once, whatever the name leads to.
func TestReadRegular(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := unix.Mkfifo(path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int64{"large": maxConfig + 1, "largest": maxConfig, "empty": 0} {
		if err := os.WriteFile(path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path(name), size); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		path("fifo"): "no regular file", "/dev/zero": "no regular file", dir: "directory",
		path("large"): "larger than 16 MB", path("none"): "no such file", path("largest"): "", path("empty"): "",
	} {
		data, err := readRegular(name)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %d bytes, %v; want %q", name, len(data), err, want)
		}
	}
}
