package main

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// The program tells the changes that make a host of the lab a real server.
func TestRealServer(t *testing.T) {
	lab.Need(t, lab.Netns)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	err = run(context.Background())
	os.Stdout = stdout
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"set net.ipv4.conf.all.arp_ignore: 0 -> 1\n", "add 10.10.10.22/32 dev lo label lo:0\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it printed\n%s\nwithout %s", out, want)
		}
	}
}
