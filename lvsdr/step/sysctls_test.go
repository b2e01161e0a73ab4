package step_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

// ctlHosts are the hosts that the laws are held against.
var ctlHosts = map[string]func(c *ctlHost, h *host.Host){
	"plain": func(*ctlHost, *host.Host) {},
	"without the folders in /etc": func(c *ctlHost, _ *host.Host) {
		delete(c.files, "/etc/sysctl.d/")
		delete(c.files, "/etc/modules-load.d/")
	},
	"hardened": func(c *ctlHost, _ *host.Host) {
		c.keys["net/ipv4/conf/all/accept_redirects"] = "0"
	},
	"forwarding on some interfaces": func(c *ctlHost, _ *host.Host) {
		c.keys["net/ipv4/conf/eth0/forwarding"] = "1"
		c.keys["net/ipv4/conf/eth0.100/forwarding"] = "1"
	},
	"a router": func(c *ctlHost, h *host.Host) {
		if err := h.Sysctl.Set(host.IPForward, "1"); err != nil {
			panic(err)
		}
	},
	"stronger values": func(c *ctlHost, _ *host.Host) {
		c.keys["net/ipv4/conf/all/arp_ignore"] = "2"
		c.keys["net/ipv4/conf/all/arp_announce"] = "2"
	},
	"larger values that are weaker": func(c *ctlHost, _ *host.Host) {
		c.keys["net/ipv4/conf/all/arp_ignore"] = "3"
		c.keys["net/ipv4/conf/all/arp_announce"] = "3"
	},
	"IPVS loaded and set": func(c *ctlHost, h *host.Host) {
		for _, name := range []string{"ip_vs", "ip_vs_wrr"} {
			c.loaded[name] = true
		}
		for key, value := range ctlVS {
			c.keys[key] = value
		}
		c.keys["net/ipv4/vs/conn_reuse_mode"] = "3"
	},
}

// forEachCtl runs f for every host, role, address family and way of lasting.
func forEachCtl(t *testing.T, f func(t *testing.T, c *ctlHost, h *host.Host, r lvsdr.Role)) {
	for name, prepare := range ctlHosts {
		for _, role := range []string{cluster.DirectorRole, cluster.RealServerRole} {
			for _, vip := range []string{"10.10.10.22", "2001:db8::22"} {
				for _, lasting := range []string{"runtime", "lasting"} {
					t.Run(strings.Join([]string{name, role, vip, lasting}, "/"), func(t *testing.T) {
						c := newCtlHost()
						h := c.host()
						h.Runtime = lasting == "runtime"
						prepare(c, h)
						f(t, c, h, ctlRole(role, ctlConfig(vip)))
					})
				}
			}
		}
	}
}

func TestSysctlsLaws(t *testing.T) {
	forEachCtl(t, func(t *testing.T, c *ctlHost, h *host.Host, r lvsdr.Role) {
		before := c.state()
		plan, err := r.Plan(t.Context(), h, step.Present)
		if err != nil {
			t.Fatal(err)
		}
		if c.state() != before {
			t.Error("plan changed the host")
		}
		if up := ctlUp(t, r, h); !slices.Equal(up, ctlStrings(plan)) {
			t.Errorf("up made\n%q, planned were\n%q", up, ctlStrings(plan))
		}
		if again := ctlUp(t, r, h); len(again) > 0 {
			t.Errorf("a second up made %q", again)
		}
		ctlDown(t, r, h)
		if after := c.state(); after != before {
			t.Errorf("down left\n%s, not\n%s", after, before)
		}
		if again := ctlDown(t, r, h); len(again) > 0 {
			t.Errorf("a second down made %q", again)
		}
	})
}

func TestSysctlsBrokenOff(t *testing.T) {
	forEachCtl(t, func(t *testing.T, c *ctlHost, h *host.Host, r lvsdr.Role) {
		before, whole := c.state(), c.clone()
		whole.edits = 0
		wholeHost := whole.host()
		wholeHost.Runtime = h.Runtime
		ctlUp(t, r, wholeHost)
		edits, present := whole.edits, whole.state()
		for n := range edits {
			broken := c.clone()
			broken.allow, broken.edits = n, 0
			host := broken.host()
			host.Runtime = h.Runtime
			if _, err := r.Up(t.Context(), host); err == nil {
				t.Fatalf("up was not broken off after %d of %d edits", n, edits)
			}
			broken.allow = -1
			resumed := broken.clone()
			resumedHost := resumed.host()
			resumedHost.Runtime = h.Runtime
			ctlUp(t, r, resumedHost)
			if got := resumed.state(); got != present {
				t.Errorf("broken off after %d edits and run again:\n%s, not\n%s", n, got, present)
			}
			ctlDown(t, r, resumedHost)
			if got := resumed.state(); got != before {
				t.Errorf("broken off after %d edits, run again, and down:\n%s, not\n%s", n, got, before)
			}
			ctlDown(t, r, host)
			if got := broken.state(); got != before {
				t.Errorf("broken off after %d edits and down:\n%s, not\n%s", n, got, before)
			}
		}
	})
}

func TestSysctlsDownBrokenOff(t *testing.T) {
	forEachCtl(t, func(t *testing.T, c *ctlHost, h *host.Host, r lvsdr.Role) {
		before := c.state()
		ctlUp(t, r, h)
		whole := c.clone()
		whole.edits = 0
		wholeHost := whole.host()
		wholeHost.Runtime = h.Runtime
		ctlDown(t, r, wholeHost)
		for n := range whole.edits {
			broken := c.clone()
			broken.allow, broken.edits = n, 0
			host := broken.host()
			host.Runtime = h.Runtime
			if _, err := r.Down(t.Context(), host); err == nil {
				t.Fatalf("down was not broken off after %d of %d edits", n, whole.edits)
			}
			broken.allow = -1
			ctlDown(t, r, host)
			if got := broken.state(); got != before {
				t.Errorf("down broken off after %d edits and run again:\n%s, not\n%s", n, got, before)
			}
		}
	})
}

func TestRealServerSysctlsPlan(t *testing.T) {
	c := newCtlHost()
	got := ctlUp(t, ctlRole(cluster.RealServerRole, ctlConfig("10.10.10.22")), c.host())
	want := []string{
		"add /etc/sysctl.d/zz-lvsdr-realserver.conf",
		"set net.ipv4.ip_forward: 0 -> 1",
		"set net.ipv4.conf.all.arp_ignore: 0 -> 1",
		"set net.ipv4.conf.all.arp_announce: 0 -> 2",
		"set net.ipv4.conf.lo.arp_ignore: 0 -> 1",
		"set net.ipv4.conf.lo.arp_announce: 0 -> 2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDirectorPlan(t *testing.T) {
	c := newCtlHost()
	got := ctlUp(t, ctlRole(cluster.DirectorRole, ctlConfig("10.10.10.22")), c.host())
	want := []string{
		"add module ip_vs",
		"add module ip_vs_wrr",
		"add /etc/modules-load.d/lvsdr.conf",
		"add /etc/sysctl.d/zz-lvsdr-director.conf",
		"set net.ipv4.conf.all.arp_announce: 0 -> 2",
		"set net.ipv4.vs.expire_nodest_conn: 1",
		"set net.ipv4.vs.expire_quiescent_template: 1",
		"set net.ipv4.vs.conn_reuse_mode: 2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

const ctlDropIn = `# Written by lvsdr for a realserver. Changes here are lost at the next set-up;
# a file in this folder whose name sorts after this one wins.
# "lvsdr teardown realserver" brings the values before back and removes this file.

# Part of the common recipe for real servers. Direct routing itself does not
# need it; lvsdr blackholes the VIP so that a real server that lost it does not
# send its packets round.
#lvsdr:before net.ipv4.conf.all.accept_redirects=0
#lvsdr:before net.ipv4.conf.eth0/100.forwarding=1
#lvsdr:before net.ipv4.ip_forward=0
net.ipv4.ip_forward = 1

# Answer ARP only for addresses of the interface that the question came in on:
# never for the VIP, which is on lo. Otherwise clients bypass the director.
#lvsdr:before net.ipv4.conf.all.arp_ignore=8
net.ipv4.conf.all.arp_ignore = 8
`

func TestSysctlDropIn(t *testing.T) {
	c := newCtlHost()
	c.keys["net/ipv4/conf/all/accept_redirects"] = "0"
	c.keys["net/ipv4/conf/eth0.100/forwarding"] = "1"
	c.keys["net/ipv4/conf/all/arp_ignore"] = "8"
	ctlUp(t, ctlRole(cluster.RealServerRole, ctlConfig("10.10.10.22")), c.host())
	got := c.files["/etc/sysctl.d/zz-lvsdr-realserver.conf"]
	if !strings.HasPrefix(got, ctlDropIn) {
		t.Errorf("got\n%s", got)
	}
}

// A value that somebody changed after the set-up is theirs.
func TestSysctlsChangedSince(t *testing.T) {
	for _, runtime := range []bool{true, false} {
		c := newCtlHost()
		h := c.host()
		h.Runtime = runtime
		r := ctlRole(cluster.RealServerRole, ctlConfig("10.10.10.22"))
		before := c.state()
		ctlUp(t, r, h)
		c.keys["net/ipv4/conf/all/arp_ignore"] = "2"
		ctlDown(t, r, h)
		if got := c.keys["net/ipv4/conf/all/arp_ignore"]; got != "2" {
			t.Errorf("runtime %v: down set it to %s", runtime, got)
		}
		c.keys["net/ipv4/conf/all/arp_ignore"] = "0"
		if c.state() != before {
			t.Errorf("runtime %v: down left %s", runtime, c.state())
		}
	}
}

// The configuration changes from IPv4 to IPv6 and back: each time the difference.
func TestSysctlsOtherFamily(t *testing.T) {
	for _, role := range []string{cluster.DirectorRole, cluster.RealServerRole} {
		for _, runtime := range []bool{true, false} {
			changed, fresh := newCtlHost(), newCtlHost()
			before := fresh.state()
			v4, v6 := ctlRole(role, ctlConfig("10.10.10.22")), ctlRole(role, ctlConfig("2001:db8::22"))
			h, f := changed.host(), fresh.host()
			h.Runtime, f.Runtime = runtime, runtime
			ctlUp(t, v6, f)
			if err := step.LedgerOf(f, role).Open(!runtime); err != nil { // which a set-up without changes does not
				t.Fatal(err)
			}
			ctlUp(t, v4, h)
			ctlUp(t, v6, h)
			if got, want := changed.state(), fresh.state(); got != want {
				t.Errorf("%s, runtime %v: got\n%s, want\n%s", role, runtime, got, want)
			}
			ctlUp(t, v4, h)
			ctlDown(t, v6, h)
			if got := changed.state(); got != before {
				t.Errorf("%s, runtime %v: down left\n%s, not\n%s", role, runtime, got, before)
			}
		}
	}
}

// A runtime set-up made to last knows the values before from the ledger; a runtime
// teardown of a lasting set-up leaves the files.
func TestSysctlsRuntimeAndLasting(t *testing.T) {
	for _, role := range []string{cluster.DirectorRole, cluster.RealServerRole} {
		c := newCtlHost()
		c.keys["net/ipv4/conf/all/accept_redirects"] = "0"
		before := c.state()
		lasting, runtime := c.host(), c.host()
		runtime.Runtime = true
		r := ctlRole(role, ctlConfig("10.10.10.22"))
		ctlUp(t, r, runtime)
		if _, ok := c.files["/etc/sysctl.d/zz-lvsdr-"+role+".conf"]; ok {
			t.Error("runtime wrote the drop-in")
		}
		ctlUp(t, r, lasting)
		ctlDown(t, r, runtime)
		if _, ok := c.files["/etc/sysctl.d/zz-lvsdr-"+role+".conf"]; !ok {
			t.Error("a runtime teardown removed the drop-in")
		}
		if got := c.keys["net/ipv4/conf/all/arp_announce"]; got != "0" {
			t.Errorf("after a runtime teardown arp_announce is %s", got)
		}
		ctlDown(t, r, lasting)
		if got := c.state(); got != before {
			t.Errorf("%s: left\n%s, not\n%s", role, got, before)
		}
	}
}

// A later set-up keeps the values that the first one found.
func TestSysctlsKeepFirstBefore(t *testing.T) {
	c := newCtlHost()
	r := ctlRole(cluster.RealServerRole, ctlConfig("10.10.10.22"))
	before := c.state()
	ctlUp(t, r, c.host())
	c.keys["net/ipv4/conf/all/arp_ignore"] = "3" // somebody breaks it
	ctlUp(t, r, c.host())
	ctlDown(t, r, c.host())
	if got := c.state(); got != before {
		t.Errorf("left\n%s, not\n%s", got, before)
	}
}

// Somebody switches forwarding off after the set-up, and redirects with it: that is
// what comes back after the next set-up and teardown. What stands in the drop-in
// is not written down twice.
func TestSysctlsForwardingSwitchedOff(t *testing.T) {
	for _, runtime := range []bool{true, false} {
		c := newCtlHost()
		h := c.host()
		r := ctlRole(cluster.RealServerRole, ctlConfig("10.10.10.22"))
		ctlUp(t, r, h)
		if err := h.Sysctl.Set(host.IPForward, "0"); err != nil {
			t.Fatal(err)
		}
		c.keys["net/ipv4/conf/all/accept_redirects"] = "0"
		h.Runtime = runtime
		ctlUp(t, r, h)
		want := "role lasting\t\n"
		if runtime {
			want += "sysctls net/ipv4/conf/all/accept_redirects\t0\n"
		}
		want += "role\t\n"
		if got := c.files["/run/lvsdr/realserver"]; got != want {
			t.Errorf("runtime %v: the ledger has %q", runtime, got)
		}
		h.Runtime = false
		ctlDown(t, r, h)
		for _, key := range []string{host.IPForward, "net/ipv4/conf/all/accept_redirects"} {
			if got := c.keys[key]; got != "0" {
				t.Errorf("runtime %v: down left %s at %s", runtime, key, got)
			}
		}
	}
}

// After a reboot without IPVS loaded a teardown finds nothing to set.
func TestDirectorSysctlsWithoutKeys(t *testing.T) {
	c := newCtlHost()
	before := c.state()
	r := ctlRole(cluster.DirectorRole, ctlConfig("10.10.10.22"))
	ctlUp(t, r, c.host())
	for key := range ctlVS {
		delete(c.keys, key)
	}
	clear(c.loaded)
	ctlDown(t, r, c.host())
	if got := c.state(); got != before {
		t.Errorf("left\n%s, not\n%s", got, before)
	}
}

func TestSysctlKeyForms(t *testing.T) {
	tests := []struct{ slashed, dotted string }{
		{"net/ipv4/ip_forward", "net.ipv4.ip_forward"},
		{"net/ipv4/conf/eth0.100/arp_ignore", "net.ipv4.conf.eth0/100.arp_ignore"},
	}
	for _, tt := range tests {
		if got := host.SysctlName(tt.slashed); got != tt.dotted {
			t.Errorf("dotted %s: %s", tt.slashed, got)
		}
		for _, form := range []string{tt.slashed, tt.dotted} {
			if got := host.SysctlKey(form); got != tt.slashed {
				t.Errorf("slashed %s: %s", form, got)
			}
		}
	}
}
