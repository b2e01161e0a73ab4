package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// madeByHand is a director of two VIPs with what ipvsadm has options for.
const madeByHand = `modprobe -aq ip_vs ip_vs_wrr ip_vs_sh ip_vs_mh ip_vs_wlc
ipvsadm -A -t 10.10.10.22:80 -s wrr -p 20 -M 255.255.255.0
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.31 -g -w 1
ipvsadm -a -t 10.10.10.22:80 -r 10.10.10.32 -g -w 3 -x 1000 -y 100
ipvsadm -A -t 10.10.10.22:443 -s sh -b sh-fallback,sh-port
ipvsadm -a -t 10.10.10.22:443 -r 10.10.10.31 -g -w 0
ipvsadm -A -u 10.10.10.23:53 -s mh -o
ipvsadm -a -u 10.10.10.23:53 -r 10.10.10.32 -g -w 2
ipvsadm -A -t [fd00:10::22]:80 -s wlc
ipvsadm -a -t [fd00:10::22]:80 -r fd00:10::31 -g -w 1
ipvsadm --set 30 5 60
ip addr add 10.10.10.22/32 dev eth0
ip addr add 10.10.10.23/32 dev eth0
ip -6 addr add fd00:10::22/128 dev eth0 nodad`

// What import reads of a table that somebody made is that table: set-up with it leaves
// every service, real server and time-out as it was.
func TestImportOfTheKernelChangesNothing(t *testing.T) {
	lab.Need(t, lab.Guest, lab.Netns, lab.IPVS, lab.Ipvsadm)
	ctx := context.Background()
	l, err := lab.New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := l.Director
	if out, err := h.Run(ctx, "sh", "-ec", madeByHand); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	table := func() string {
		t.Helper()
		out, err := h.Run(ctx, "sh", "-ec", "ipvsadm -S -n; ipvsadm -L --timeout")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return out
	}
	lvsdr := func(args ...string) string {
		t.Helper()
		cmd := process(t, args...)
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := h.Start(cmd); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("lvsdr %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
		}
		return stdout.String()
	}
	before := table()
	file := filepath.Join(t.TempDir(), "lvsdr.yaml")
	if err := os.WriteFile(file, []byte(lvsdr("import", "kernel")), 0o600); err != nil {
		t.Fatal(err)
	}
	var plan struct{ Changes []step.Change }
	if err := json.Unmarshal([]byte(lvsdr("plan", "director", "-c", file, "-o", "json")), &plan); err != nil {
		t.Fatal(err)
	}
	for _, c := range plan.Changes {
		if slices.Contains([]string{step.Service, step.Timeouts}, c.Step) {
			t.Errorf("the plan has %s %s %s: %q -> %q", c.Step, c.Op, c.Object, c.From, c.To)
		}
	}
	lvsdr("setup", "director", "--passive", "--runtime", "-c", file)
	if after := table(); after != before {
		t.Errorf("the table was\n%s\nand is\n%s", before, after)
	}
}
