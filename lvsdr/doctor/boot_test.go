package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/units"
)

const bootCluster = `
services:
  - vip: 10.10.10.22
    realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]
`

// bootRole is the role with the unit's step, as the command line makes it.
func bootRole(t *testing.T, name string) lvsdr.Role {
	t.Helper()
	c, err := cluster.ParseConfig("cluster.yaml", []byte(bootCluster))
	if err != nil {
		t.Fatal(err)
	}
	role, err := lvsdr.Former(name, c)
	if err != nil {
		t.Fatal(err)
	}
	role.Steps = append(role.Steps, units.Step{Unit: units.Unit{Role: name, Binary: "/usr/bin/lvsdr", Args: []string{"--vip", "10.10.10.22"}}})
	return role
}

var bootCodes = []string{"sysctl-boot", "modules-boot", "unit", "drift", "address-owner", "mtu"}

// bootTold is what those of the checks say that are not content.
func bootTold(t *testing.T, w *lvsdrtest.World, role lvsdr.Role, codes ...string) (lines, fixes []string) {
	t.Helper()
	e := role.Exam(w.Host())
	if e.Only = codes; len(codes) == 0 {
		e.Only = ofRole(e, bootCodes)
	}
	for _, f := range e.Run(t.Context()) {
		if f.Severity == doctor.OK || f.Severity == doctor.Skipped || !slices.Contains(e.Only, f.Check) {
			continue
		}
		lines = append(lines, string(f.Severity)+" "+f.Check+": "+f.What)
		fixes = append(fixes, f.Fix)
	}
	return lines, fixes
}

func write(name, text string) string { return "cat >" + name + " <<'E'\n" + text + "\nE" }

// bootCase is a host, set up or not, and what somebody does to it then.
type bootCase struct {
	name    string
	role    string // with lvsdr's set-up; by hand: an "-" before it
	runtime bool
	does    string
	want    []string // findings
	fix     string   // of the first
}

func (c bootCase) run(t *testing.T) {
	name, byHand := strings.CutPrefix(c.role, "-")
	w := lvsdrtest.RealServer()
	if name == cluster.DirectorRole {
		w = lvsdrtest.Director()
	}
	if err := w.Run(write("/usr/bin/lvsdr", "")); err != nil {
		t.Fatal(err)
	}
	role := bootRole(t, name)
	if !byHand {
		host := *w.Host()
		host.Runtime = c.runtime
		if _, err := role.Up(t.Context(), &host); err != nil {
			t.Fatal(err)
		}
		if lines, _ := bootTold(t, w, role); len(lines) > 0 {
			t.Fatalf("healthy, but %q", lines)
		}
	}
	if err := w.Run(c.does); err != nil {
		t.Fatal(err)
	}
	before := w.Dump()
	lines, fixes := bootTold(t, w, role)
	if !slices.Equal(lines, c.want) {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(c.want, "\n"))
	}
	if len(fixes) > 0 && fixes[0] != c.fix {
		t.Errorf("fix %q, want %q", fixes[0], c.fix)
	}
	if w.Dump() != before {
		t.Error("the doctor changed the host")
	}
}

const setUpRealServer, setUpDirector = "lvsdr setup realserver", "lvsdr setup director"

// A real server made by hand, right now.
const handMade = `
ip addr add 10.10.10.22/32 dev lo
sysctl -w net.ipv4.conf.all.arp_ignore=1
sysctl -w net.ipv4.conf.all.arp_announce=2
`

var bootCases = []bootCase{
	{
		name: "a later file", role: cluster.RealServerRole,
		does: write("/etc/sysctl.d/zzz.conf", "# mine\nnet.ipv4.conf.all.arp_ignore = 0"),
		want: []string{"warning sysctl-boot: /etc/sysctl.d/zzz.conf:2 sets net.ipv4.conf.all.arp_ignore to 0, not 1, at boot"},
		fix:  "sed -i '2s/^/#/' /etc/sysctl.d/zzz.conf",
	}, {
		name: "two later lines, one linked and one of a package", role: cluster.RealServerRole,
		does: write("/etc/mine", "net.ipv4.conf.all.arp_announce=0") + "\nln -s ../mine /etc/sysctl.d/zzzz.conf\nmkdir -p /usr/lib/sysctl.d\n" +
			write("/usr/lib/sysctl.d/zzz.conf", "net.ipv4.conf.all.arp_announce=1"),
		want: []string{"warning sysctl-boot: /etc/sysctl.d/zzzz.conf:1 sets net.ipv4.conf.all.arp_announce to 0, not 2, at boot"},
		fix:  "sed -i '1s/^/#/' /etc/mine\ntest -e /etc/sysctl.d/zzz.conf || cp /usr/lib/sysctl.d/zzz.conf /etc/sysctl.d/zzz.conf; sed -i '1s/^/#/' /etc/sysctl.d/zzz.conf",
	}, {
		name: "an interface's own value", role: cluster.RealServerRole,
		does: write("/etc/sysctl.d/10-x.conf", "net.ipv4.conf.eth0.arp_ignore = 3\nnet.ipv4.conf.default.arp_announce=1"),
		want: []string{"warning sysctl-boot: /etc/sysctl.d/10-x.conf:1 sets net.ipv4.conf.eth0.arp_ignore to 3, not 1, at boot"},
		fix:  "sed -i '1s/^/#/' /etc/sysctl.d/10-x.conf",
	}, {
		name: "the drop-in removed", role: cluster.RealServerRole,
		does: "rm /etc/sysctl.d/zz-lvsdr-realserver.conf",
		want: []string{"warning sysctl-boot: no file sets net.ipv4.ip_forward, net.ipv4.conf.all.arp_ignore, net.ipv4.conf.all.arp_announce, " +
			"net.ipv4.conf.lo.arp_ignore, net.ipv4.conf.lo.arp_announce at boot"},
		fix: setUpRealServer,
	}, {
		name: "connection tracking at the next boot", role: cluster.DirectorRole,
		does: write("/etc/sysctl.d/99-k8s.conf", "net.ipv4.vs.conntrack = 1"),
		want: []string{"warning sysctl-boot: /etc/sysctl.d/99-k8s.conf:1 sets net.ipv4.vs.conntrack to 1, not 0, at boot"},
		fix:  "sed -i '1s/^/#/' /etc/sysctl.d/99-k8s.conf",
	}, {
		name: "modules-load.d removed", role: cluster.DirectorRole, does: "rm /etc/modules-load.d/lvsdr.conf",
		want: []string{"warning modules-boot: nothing loads ip_vs, ip_vs_wrr at boot: it is not in /etc/modules-load.d/lvsdr.conf"},
		fix:  setUpDirector,
	}, {
		name: "modules forbidden", role: cluster.DirectorRole, does: write("/etc/modprobe.d/x.conf", "blacklist ip-vs-wrr\ninstall dccp /bin/false"),
		want: []string{"warning modules-boot: /etc/modprobe.d/x.conf:1 keeps ip_vs_wrr from being loaded at boot: blacklist ip-vs-wrr"},
		fix:  "sed -i '1s/^/#/' /etc/modprobe.d/x.conf",
	}, {
		name: "the unit disabled", role: cluster.RealServerRole,
		does: "rm /etc/systemd/system/multi-user.target.wants/lvsdr-realserver.service",
		want: []string{"warning unit: set-up would add /etc/systemd/system/multi-user.target.wants/lvsdr-realserver.service: " +
			"/etc/systemd/system/lvsdr-realserver.service (enabled at next boot; not started: systemd is not running)"},
		fix: setUpRealServer,
	}, {
		name: "the unit edited", role: cluster.DirectorRole, does: write("/etc/systemd/system/lvsdr-director.service", "[Service]"),
		want: []string{"warning unit: set-up would set /etc/systemd/system/lvsdr-director.service"}, fix: setUpDirector,
	}, {
		name: "the command gone", role: cluster.RealServerRole, does: "rm /usr/bin/lvsdr",
		want: []string{"failure unit: /etc/systemd/system/lvsdr-realserver.service runs /usr/bin/lvsdr at boot, which is not there"},
		fix:  setUpRealServer,
	}, {
		name: "a weight", role: cluster.DirectorRole, does: "ipvsadm -e -t 10.10.10.22:80 -r 10.10.10.31:80 -g -w 5",
		want: []string{"warning drift: set-up would set tcp 10.10.10.22:80 -> 10.10.10.31:80: route weight 5 -> route weight 1"}, fix: setUpDirector,
	}, {
		name: "a runtime set-up", role: cluster.RealServerRole, runtime: true, does: "ip addr del 10.10.10.22/32 dev lo",
		want: []string{"warning drift: set-up would add 10.10.10.22/32 dev lo label lo:0"}, fix: setUpRealServer,
	}, {
		name: "a runtime set-up of a director", role: cluster.DirectorRole, runtime: true, does: "rm /usr/bin/lvsdr",
	}, {
		name: "by hand, in no file", role: "-" + cluster.RealServerRole, does: handMade,
		want: []string{"warning sysctl-boot: arp_ignore counts as 1 on eth0 now and as 0 after a reboot (no file sets it); " +
			"arp_announce counts as 2 on eth0 now and as 0 after a reboot (no file sets it)"},
		fix: "echo 'net.ipv4.conf.all.arp_ignore = 1' >>/etc/sysctl.d/zz-lvs.conf\necho 'net.ipv4.conf.all.arp_announce = 2' >>/etc/sysctl.d/zz-lvs.conf",
	}, {
		name: "by hand, a later line", role: "-" + cluster.RealServerRole,
		does: handMade + write("/etc/sysctl.d/10-lvs.conf", "net.ipv4.conf.all.arp_ignore=1\nnet.ipv4.conf.all.arp_announce=2") + "\n" +
			write("/etc/sysctl.conf", "net.ipv4.conf.all.arp_announce=0"),
		want: []string{"warning sysctl-boot: arp_announce counts as 2 on eth0 now and as 0 after a reboot (/etc/sysctl.conf:1 sets net.ipv4.conf.all.arp_announce to 0)"},
		fix:  "sed -i '1s/^/#/' /etc/sysctl.conf\necho 'net.ipv4.conf.all.arp_announce = 2' >>/etc/sysctl.d/zz-lvs.conf",
	}, {
		name: "by hand, the interface in a file", role: "-" + cluster.RealServerRole,
		does: handMade + write("/etc/sysctl.d/10-lvs.conf", "net.ipv4.conf.eth0.arp_ignore=8\nnet.ipv4.conf.*.arp_announce=2"),
	}, {
		name: "by hand, in a script", role: "-" + cluster.RealServerRole,
		does: handMade + write("/etc/systemd/system/lvs.service", "[Service]\nExecStart=/usr/local/sbin/realserver start") + "\n" +
			write("/usr/local/sbin/realserver", "echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore"),
	}, {
		name: "by hand, without a VIP", role: "-" + cluster.RealServerRole, does: "sysctl -w net.ipv4.conf.all.arp_ignore=1",
	}, {
		name: "by hand, ARP wrong now", role: "-" + cluster.RealServerRole, does: "ip addr add 10.10.10.22/32 dev lo",
	}, {
		name: "by hand, keys of IPVS too early", role: "-" + cluster.DirectorRole,
		does: write("/etc/sysctl.d/10-lvs.conf", "net.ipv4.vs.expire_nodest_conn=1"),
		want: []string{"warning sysctl-boot: /etc/sysctl.d/10-lvs.conf:1 sets net.ipv4.vs.expire_nodest_conn at boot before anything loads ip_vs, with which the key appears"},
		fix:  "echo ip_vs >>/etc/modules-load.d/ip_vs.conf",
	}, {
		name: "by hand, ip_vs loaded", role: "-" + cluster.DirectorRole,
		does: write("/etc/sysctl.d/10-lvs.conf", "net.ipv4.vs.expire_nodest_conn=1") + "\n" + write("/etc/modules", "ip_vs # first"),
	},
}

func TestBoot(t *testing.T) {
	for _, c := range bootCases {
		t.Run(c.name, c.run)
	}
}

// Drift leaves out the steps that another check names.
func TestDriftNamed(t *testing.T) {
	w := lvsdrtest.RealServer()
	role := bootRole(t, cluster.RealServerRole)
	if _, err := role.Up(t.Context(), w.Host()); err != nil {
		t.Fatal(err)
	}
	if err := w.Run("sysctl -w net.ipv4.conf.all.arp_ignore=0"); err != nil {
		t.Fatal(err)
	}
	want := []string{"warning drift: set-up would set net.ipv4.conf.all.arp_ignore: 0 -> 1"}
	if lines, _ := bootTold(t, w, role, "drift"); !slices.Equal(lines, want) {
		t.Errorf("alone: got %q, want %q", lines, want)
	}
	if lines, _ := bootTold(t, w, role, "drift", "arp-ignore"); len(lines) != 1 || !strings.HasPrefix(lines[0], "failure arp-ignore") {
		t.Errorf("with arp-ignore: got %q", lines)
	}
}
