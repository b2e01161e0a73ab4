//go:build linux

package fleet_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/lab/fleet"
)

// cloudHosts are those of examples/cloud-init.
var cloudHosts = map[string]string{"dev-1": "10.10.10.30/24", "dev-2": "10.10.10.31/24", "dev-3": "10.10.10.32/24"}

// The hosts of examples/cloud-init come up by cloud-init alone, all at once: addresses,
// Apache, role; and after a power cycle without it. Where this kernel has no IPVS, as
// most that run this test, the director cannot have its role, and cloud-init says so.
func TestCloudInit(t *testing.T) {
	lab.Need(t, lab.Fleet)
	t.Parallel()
	ctx := t.Context()
	f := newFleet(t, fleet.Debian12)
	client, err := f.Client(ctx, "client", netip.MustParsePrefix("10.10.10.100/24"))
	must(t, err)
	machines := map[string]*fleet.Machine{}
	for name, address := range cloudHosts {
		machines[name] = seeded(t, f, name, address)
	}
	each(t, machines, func(m *fleet.Machine) error { return m.Start(ctx) })
	each(t, machines, cloudInitDone(ctx, t))
	schema(t, machines["dev-2"])
	served := func(when string) {
		for _, name := range []string{"dev-2", "dev-3"} {
			must(t, client.Director(ctx, vip, machines[name]))
			if who, err := client.Get(ctx, web); err != nil || who != name {
				t.Errorf("%s: %s: %q, %v", when, name, who, err)
			}
		}
	}
	served("after cloud-init")
	delete(machines, "dev-1")
	each(t, machines, func(m *fleet.Machine) error {
		if _, err := m.Run(ctx, "lvsdr", "doctor", "realserver", "--passive"); err != nil {
			return err
		}
		return m.Reboot(ctx)
	})
	served("after a power cycle of all")
}

// each does something with all of the machines at once.
func each(t *testing.T, machines map[string]*fleet.Machine, do func(*fleet.Machine) error) {
	t.Helper()
	ended := make(chan error)
	for _, m := range machines {
		go func() { ended <- do(m) }()
	}
	for range machines {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// seeded is a machine, switched off, of which cloud-init makes the host of that name.
func seeded(t *testing.T, f *fleet.Fleet, name, address string) *fleet.Machine {
	t.Helper()
	ctx := t.Context()
	m, err := f.Add(ctx, name, fleet.CloudInit, netip.MustParsePrefix(address))
	must(t, err)
	bin, err := program()
	must(t, err)
	must(t, m.Install(bin, "/usr/bin/lvsdr"))
	must(t, m.Disable(ctx, "nginx"))
	must(t, m.Seed(ctx, filepath.Join("../../../examples/cloud-init", name)))
	return m
}

// cloudInitDone waits for cloud-init, and fails when it did not do what it was told. Its
// status is 2 where it met with something that did not keep it from that.
func cloudInitDone(ctx context.Context, t *testing.T) func(*fleet.Machine) error {
	noIPVS := lab.IPVS.Missing() != nil
	return func(m *fleet.Machine) error {
		start := time.Now()
		out, err := m.Run(ctx, "sh", "-c", `for try in $(seq 600); do [ -e /run/cloud-init/enabled ] && break; sleep 0.1; done
for try in $(seq 1200); do [ -e /run/cloud-init/result.json ] && break; sleep 1; done # which --wait asks Python, four times a second
cloud-init status --wait --long; echo "status $?"; cat /var/log/cloud-init-output.log`)
		t.Logf("%s: cloud-init took %.0f s", m.Name, time.Since(start).Seconds())
		failed := strings.Contains(out, "status 1\n")
		switch {
		case err != nil:
			return err
		case m.Name == "dev-1" && noIPVS:
			if !failed || !strings.Contains(out, "IPVS") {
				t.Errorf("a director without IPVS: %s", out)
			}
		case failed:
			t.Errorf("%s: %s", m.Name, out)
		}
		return nil
	}
}

// schema has cloud-init read what the command prints, and compares it with the examples.
func schema(t *testing.T, m *fleet.Machine) {
	t.Helper()
	out, err := m.Run(t.Context(), "sh", "-ec", `cd /root
lvsdr cloud-init realserver --vip 10.10.10.22 >dev-2
lvsdr cloud-init director --vip 10.10.10.22 -r 10.10.10.31=1 -r 10.10.10.32=1 --persistence 20s --timeouts 30s,5s,60s >dev-1
lvsdr cloud-init realserver --vip 10.10.10.22 --binary https://example.org/lvsdr --sha256 $(sha256sum </usr/bin/lvsdr | cut -d ' ' -f 1) >fetched
for file in dev-1 dev-2 fetched /var/lib/cloud/seed/nocloud/user-data; do cloud-init schema --config-file $file; done >&2
cat dev-1; cat dev-2`)
	must(t, err)
	for _, name := range []string{"dev-1", "dev-2"} {
		text, err := os.ReadFile(filepath.Join("../../../examples/cloud-init", name, "user-data"))
		must(t, err)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		if last := lines[len(lines)-1]; !strings.Contains(out, last+"\n") {
			t.Errorf("%s has %q, printed is\n%s", name, last, out)
		}
	}
}
