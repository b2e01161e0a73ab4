package linux

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pretend puts a package manager of that name, alone, in front of all others.
func pretend(t *testing.T, name, script string) (asked func() string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho \"$*\" >>"+dir+"/asked\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	was := managers
	t.Cleanup(func() { managers = was })
	for _, m := range was {
		if m.typed[0] == name {
			managers = []manager{m}
		}
	}
	return func() string {
		text, _ := os.ReadFile(filepath.Join(dir, "asked"))
		return string(text)
	}
}

func TestPackages(t *testing.T) {
	for _, tt := range []struct{ name, script, command, asked, fails string }{
		{"apt-get", "", "apt-get install keepalived", "--yes --no-install-recommends -o DPkg::Lock::Timeout=60 install keepalived\n", ""},
		{"dnf", "", "dnf install keepalived", "--assumeyes install keepalived\n", ""},
		{"zypper", "", "zypper install keepalived", "--non-interactive install keepalived\n", ""},
		{"dnf", "echo 'Error: Unable to find a match: keepalived'; exit 1", "dnf install keepalived", "install", "dnf: exit status 1: Error: Unable to find a match: keepalived"},
		{"apt-get", "[ $1 = update ] && exit; echo Reading; echo 'E: Unable to locate package keepalived' >&2; exit 100", "apt-get install keepalived", "update\n",
			"apt-get: exit status 100: E: Unable to locate package keepalived"},
		{"apt-get", "[ $1 = update ] && { >$0.fresh; exit; }; [ -e $0.fresh ]", "apt-get install keepalived", "update\n", ""},
		{"apt-get", "[ $1 = update ] && echo 'E: no network'; exit 100", "apt-get install keepalived", "update\n", "E: no network"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := pretend(t, tt.name, tt.script)
			if got, err := (packages{}).Command("keepalived"); got != tt.command || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			err := (packages{}).Install(t.Context(), "keepalived")
			if (err != nil) != (tt.fails != "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%v, want %q", err, tt.fails)
			}
			if !strings.Contains(asked(), tt.asked) {
				t.Errorf("asked for %q, want %q", asked(), tt.asked)
			}
		})
	}
}

// One that takes too long is asked to end, and told of.
func TestPackagesInTime(t *testing.T) {
	pretend(t, "dnf", "trap 'kill $!; exit 1' TERM; sleep 60 & wait")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begun := time.Now()
	err := packages{}.Install(ctx, "keepalived")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 20*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

func TestNoPackages(t *testing.T) {
	was := managers
	managers = nil
	defer func() { managers = was }()
	if _, err := (packages{}).Command("keepalived"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := (packages{}).Install(t.Context(), "keepalived"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
