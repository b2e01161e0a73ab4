package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// candidatesFor completes a command line; the last word is the one under the
// cursor.
func candidatesFor(t *testing.T, words ...string) []string {
	t.Helper()
	var stdout, stderr strings.Builder
	st := newStage(t.TempDir())
	if status := run(context.Background(), append([]string{"__complete", "--"}, words...), st.sys, &stdout, &stderr); status != exitOK {
		t.Fatalf("exit status %d: %s", status, stderr.String())
	}
	var names []string
	for line := range strings.Lines(stdout.String()) {
		name, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		names = append(names, name)
	}
	return names
}

func TestComplete(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"", "setup plan teardown status weight drain undrain doctor explain check units cloud-init import export completion version help"},
		{"t", "teardown"},
		{"setup ", "director realserver"},
		{"setup r", "realserver"},
		{"doctor ", "director realserver client"},
		{"doctor c", "client"},
		{"doctor --only arp-i", "arp-ignore"},
		{"setup director --ignore=arp-i", "--ignore=arp-ignore"},
		{"doctor --fi", "--firewall --fix"},
		{"setup director ", ""},
		{"setup --vip 10.10.10.22 d", "director"},
		{"setup director --pers", "--persistence --persistence-netmask"},
		{"setup director --scheduler m", "mh"},
		{"setup director -s w", "wrr wlc"},
		{"setup director --scheduler=wr", "--scheduler=wrr"},
		{"setup --config=", ":files"},
		{"setup director --scheduler = wr", "wrr"}, // as bash cuts it
		{"setup director --scheduler =", "rr wrr lc wlc lblc lblcr dh sh mh sed nq fo ovf twos"},
		{"setup director --firewall ", "auto nftables iptables none"},
		{"setup director --interface ", "eth0"},
		{"setup director --output j", "json"},
		{"setup --config ", ":files"},
		{"status --o", "--output"},
		{"status --output ", "text json prometheus"},
		{"status --w", "--watch"},
		{"completion ", "bash zsh fish"},
		{"import k", "kernel keepalived"},
		{"import keepalived ", ":files"},
		{"export ", "ipvsadm keepalived"},
		{"help te", "teardown"},
		{"nonsense ", ""},
		{"setup director --vip ", ""},
		{"setup director --runtime ", ""},
	} {
		got := strings.Join(candidatesFor(t, strings.Split(test.line, " ")...), " ")
		if got != test.want {
			t.Errorf("%q completes to %q, want %q", test.line, got, test.want)
		}
	}
}

// TestBashCompletion has a real bash run the script as it does at the tab key.
func TestBashCompletion(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	dir := t.TempDir()
	command := fmt.Sprintf("#!/bin/sh\nLVSDR_TEST_MAIN=1 exec '%s' \"$@\"\n", os.Args[0])
	if err := os.WriteFile(filepath.Join(dir, "lvsdr"), []byte(command), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "my cluster.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ words, want []string }{
		{[]string{"lvsdr", "te"}, []string{"teardown"}},
		{[]string{"lvsdr", "setup", ""}, []string{"director", "realserver"}},
		{[]string{"lvsdr", "setup", "director", "--sched"}, []string{"--scheduler", "--scheduler-flags"}},
		{[]string{"lvsdr", "setup", "director", "--output", "=", "j"}, []string{"json"}},
		{[]string{"lvsdr", "setup", "--config", "my"}, []string{"my cluster.yaml"}},
		{[]string{"lvsdr", "setup", "--vip", ""}, nil},
	} {
		script := `source <(lvsdr completion bash)
			COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
			_lvsdr && complete -p lvsdr >/dev/null && printf '%s\n' "${COMPREPLY[@]}"`
		cmd := exec.Command(bash, append([]string{"--norc", "-c", script, "bash"}, test.words...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%q: %v", test.words, err)
		}
		got := strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
		if !slices.Equal(got, test.want) {
			t.Errorf("%q completes to %q, want %q", test.words, got, test.want)
		}
	}
}
