package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// The manual page has every command and every flag, and groff reads it without a
// complaint where it is installed.
func TestManPage(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if exit := run(t.Context(), []string{"__man"}, newStage(t.TempDir()).sys, &stdout, &stderr); exit != exitOK {
		t.Fatalf("%d: %s", exit, stderr.String())
	}
	page := stdout.String()
	for _, c := range newApp(&session{}).Commands {
		if has := strings.Contains(page, ".SS lvsdr "+roff(c.Name)+"\n"); has == c.Hidden {
			t.Errorf("lvsdr %s: hidden %v, in the page %v", c.Name, c.Hidden, has)
		}
		for _, f := range c.Flags {
			if !strings.Contains(page, roff("--"+f.Names()[0])) {
				t.Errorf("the page lacks --%s", f.Names()[0])
			}
		}
	}
	for _, r := range page {
		if r > '~' {
			t.Errorf("%q is not ASCII: not every man can show it", r)
		}
	}
	if _, err := exec.LookPath("groff"); err != nil {
		return
	}
	cmd := exec.Command("groff", "-man", "-Tascii", "-ww", "-z")
	cmd.Stdin = strings.NewReader(page)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("groff: %v\n%s", err, out)
	}
}
