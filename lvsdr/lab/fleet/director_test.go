//go:build linux

package fleet_test

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/lab"
	"github.com/lvsdr/toolkit/lvsdr/lab/fleet"
)

const described = "services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}, {address: 10.10.10.32}]}]\n"

// A director comes back by itself, from within the sandbox of its unit and with either
// engine, and is as it was after teardown. With keepalived it is described by the
// documentation's keepalived.conf, imported; set-up installs keepalived, from a repository
// of its own on the machine. It runs in a guest, whose kernel has IPVS.
// LVSDR_ENGINE leaves it to one of them.
func TestDirector(t *testing.T) {
	lab.Need(t, lab.Fleet, lab.Guest, lab.IPVS)
	s := newDirector(t, fleet.Debian12)
	must(t, s.server.WriteFile("/etc/lvsdr/ipvs.yaml", []byte("engine: ipvs\n"+described), 0o644))
	conf, err := os.ReadFile("../../keepalived/testdata/mission.conf")
	must(t, err)
	must(t, s.server.WriteFile("/root/mission.conf", conf, 0o644))
	must(t, s.server.On(t.Context()))
	s.run("lvsdr import keepalived /root/mission.conf >/etc/lvsdr/keepalived.yaml || [ $? = 1 ]") // without the failover
	s.took("the boot")
	before := s.traces()
	for _, c := range []struct {
		engine string
		again  func() error
	}{
		{"ipvs", func() error { return s.server.Reboot(t.Context()) }},
		{"keepalived", s.powerCut},
	} {
		if only := os.Getenv("LVSDR_ENGINE"); only != "" && only != c.engine {
			continue
		}
		flags := "--config /etc/lvsdr/" + c.engine + ".yaml"
		if c.engine == "keepalived" {
			s.run(keepalivedTaken)
			s.took("taking keepalived away")
			flags += " --install"
		}
		s.run("lvsdr setup director " + flags)
		s.balances("after set-up, engine " + c.engine)
		must(t, c.again())
		s.took("set-up and a power cycle")
		s.balances("after a power cycle, engine " + c.engine)
		s.run("lvsdr doctor director && systemctl is-active lvsdr-director && systemctl is-active lvsdr-verify.timer")
		if c.engine == "keepalived" {
			s.run("pgrep -x lvsdr-keepalive")
			s.run(keepalivedKilled)
			s.run("lvsdr setup director " + flags + " && pgrep -x lvsdr-keepalive")
			s.balances("set up while keepalived was killed")
			s.run(keepalivedKilled)
		}
		s.run("lvsdr teardown director")
		if c.engine == "keepalived" {
			s.run("! pgrep -x lvsdr-keepalive && systemctl show -P ActiveState lvsdr-keepalived | grep -x inactive && rm -r /run/systemd/system/lvsdr-keepalived.service.d && systemctl daemon-reload")
			s.run("rm -r /etc/apt/sources.list*; mv /srv/deb/sources/* /etc/apt/")
		}
		s.same(before, s.traces())
		s.took("doctor and teardown")
	}
}

// keepalivedKilled kills it, and has systemd not start it again at once, as it would.
const keepalivedKilled = `mkdir -p /run/systemd/system/lvsdr-keepalived.service.d
printf '[Service]\nRestartSec=10min\n' >/run/systemd/system/lvsdr-keepalived.service.d/late.conf; systemctl daemon-reload
pkill -9 -x lvsdr-keepalive; for try in $(seq 300); do systemctl show -P SubState lvsdr-keepalived | grep auto-restart && exit; sleep 0.1; done; exit 1`

// keepalivedTaken makes a package of the keepalived that is installed, removes that and
// leaves apt no other source than a repository of the package, whose list is not fetched.
const keepalivedTaken = `mkdir -p /srv/deb/k/DEBIAN; cd /srv/deb
dpkg-query -s keepalived | sed '/^Status:/d; /^Conffiles:/,/^[A-Z]/{/^Conffiles:/d; /^ /d}' >k/DEBIAN/control
cp /var/lib/dpkg/info/keepalived.p* k/DEBIAN/
for f in $(dpkg -L keepalived); do
	case $f in /usr/share/doc/*) continue;; esac
	if [ -f $f ]; then echo $f; fi
done | tar -cf - -T - 2>/dev/null | tar -xf - -C k
dpkg-deb -Znone -b k keepalived.deb >/dev/null
{ cat k/DEBIAN/control; echo "Filename: ./keepalived.deb
Size: $(stat -c %s keepalived.deb)
SHA256: $(sha256sum keepalived.deb | cut -d' ' -f1)"; } >Packages
mkdir sources; mv /etc/apt/sources.list* sources/
mkdir /etc/apt/sources.list.d; echo "deb [trusted=yes] file:/srv/deb ./" >/etc/apt/sources.list.d/here.list
dpkg --remove keepalived >/dev/null; ! command -v keepalived`

// took tells how long it is since the last time.
func (s *site) took(what string) {
	s.Helper()
	s.Logf("%s: %.0f s", what, time.Since(s.since).Seconds())
	s.since = time.Now()
}

// traces is what a director's set-up may leave, in few commands: a guest is slow.
func (s *site) traces() string {
	s.Helper()
	return s.run(`ip -o address show | sed 's/ valid_lft.*//' | grep -v fe80: ; ip route show table all | grep -v fe80:
ipvsadm -S -n; nft list ruleset; grep -r . /proc/sys/net/ipv4/conf/eth0 /proc/sys/net/ipv4/conf/all || :
grep -H . /proc/sys/net/ipv4/vs/* || :; ls /run/lvsdr 2>&1 || :
find /etc -type d -printf '%p\n' -o -printf '%p %s %l\n' | sort; systemctl list-units --all --plain --no-legend 'lvsdr*'`)
}

// newDirector makes a site whose machine is to be the director of two real servers,
// which are the fleet's clients, as the client is.
func newDirector(t *testing.T, suite string) *site {
	t.Helper()
	ctx := t.Context()
	f := newFleet(t, suite)
	s := &site{T: t, fleet: f, kind: fleet.Networkd, since: time.Now()}
	var err error
	s.server, err = f.Add(ctx, "dev-1", s.kind, netip.MustParsePrefix("10.10.10.30/24"))
	must(t, err)
	s.server.Modules = true
	must(t, lean(s.server))
	s.client, err = f.Client(ctx, "client", netip.MustParsePrefix("10.10.10.100/24"))
	must(t, err)
	for name, address := range map[string]string{"dev-2": "10.10.10.31/24", "dev-3": "10.10.10.32/24"} {
		c, err := f.Client(ctx, name, netip.MustParsePrefix(address))
		must(t, err)
		serve(t, c)
	}
	bin, err := program()
	must(t, err)
	must(t, s.server.Install(bin, "/usr/bin/lvsdr"))
	return s
}

// lean takes out of a machine's boot what a director does not need.
func lean(m *fleet.Machine) error {
	for _, unit := range []string{"nginx", "e2scrub_reap"} {
		if err := os.Remove(m.Path("/etc/systemd/system/multi-user.target.wants/" + unit + ".service")); err != nil {
			return err
		}
	}
	return nil
}

// serve makes a client a real server.
func serve(t *testing.T, c *fleet.Client) {
	t.Helper()
	for _, line := range []string{
		"sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 net.ipv4.ip_forward=1",
		"ip address add 10.10.10.22/32 dev lo",
	} {
		_, err := c.Run(t.Context(), "sh", "-c", line)
		must(t, err)
	}
	var listener net.Listener
	must(t, c.Do(func() (err error) {
		listener, err = net.Listen("tcp", "0.0.0.0:80")
		return err
	}))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(c.Name))
	})}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
}

// balances fails when two requests for the VIP are not answered by the two real servers.
func (s *site) balances(when string) {
	s.Helper()
	served := map[string]bool{}
	for range 2 {
		who, err := s.client.Get(s.Context(), web)
		if err != nil {
			s.Errorf("%s: %v\n%s", when, err, s.state())
			return
		}
		served[strings.TrimSpace(who)] = true
	}
	if !served["dev-2"] || !served["dev-3"] {
		s.Errorf("%s: served by %v alone\n%s", when, served, s.state())
	}
}
