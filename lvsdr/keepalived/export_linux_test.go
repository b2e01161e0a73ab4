package keepalived

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// everyCheck has each type of check once.
const everyCheck = `engine: keepalived
services:
  - {vip: 10.10.10.22, ports: [53/udp], check: {type: dns, name: www.example.org}, realServers: [{address: 10.10.10.31}]}
  - {vip: 10.10.10.22, ports: [25], check: {type: smtp, name: lvs.example.org}, realServers: [{address: 10.10.10.31}]}
  - {vip: 10.10.10.22, ports: [80], check: {type: misc, script: "/bin/true {address} {port} {vip}"}, realServers: [{address: 10.10.10.31}]}
  - {vip: 10.10.10.22, ports: [443], check: {type: https, path: /health, status: 204}, realServers: [{address: 10.10.10.31}]}
  - {vip: 10.10.10.22, ports: [8080], check: {type: http, path: /}, realServers: [{address: 10.10.10.31}]}
  - {vip: 10.10.10.22, ports: [54/udp], realServers: [{address: 10.10.10.31}]}
  - {vip: 10.10.10.22, ports: [2905/sctp], realServers: [{address: 10.10.10.31}]}
`

// written are configurations of each kind, as keepalived -t is to take them.
func written(t *testing.T) (all []Config) {
	r := rand.New(rand.NewPCG(7, 8))
	none := func(netip.Addr, cluster.Port, netip.Addr) bool { return false }
	for i := range 6 {
		c := randomCluster(r)
		if i == 0 {
			c = described(t, twoDirectors)
			c.Directors = nil
		}
		if i%2 == 1 {
			all = append(all, Engine(c, "lvsdr.yaml", func(netip.Addr, cluster.Port, netip.Addr) bool { return i == 1 }))
			continue
		}
		k, err := Parse("k", exported(t, c), Options{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	all = append(all, Engine(described(t, everyCheck), "lvsdr.yaml", none))
	for _, c := range vrrpCases {
		k, err := Parse("k", []byte(vrrpText(t, c.vrrp, c.vips)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	return all
}

// TestKeepalivedTakesIt: keepalived -t takes what is written, with exit status 0, on a
// host with the interfaces: the keepalived of this machine, and that of Debian 13 where
// the machines' trees are. The namespaces are the test's own.
func TestKeepalivedTakesIt(t *testing.T) {
	lab.Need(t, lab.Netns, lab.Keepalived)
	dir, tree := t.TempDir(), ""
	if trees := os.Getenv("LVSDR_FLEET"); trees != "" {
		tree = filepath.Join(trees, "trixie")
	}
	configs := written(t)
	for i, c := range configs {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), c.AsRoot().Render(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const script = `ip link add eth0 type veth peer name eth1 && ip link set eth0 up && ip link set eth1 up && cd "$1" || exit
for f in $(ls | sort -n); do keepalived --config-test -f "$PWD/$f" >log 2>&1; echo "$? here $f $(cat log)"; done
rm log
[ -n "$2" ] || exit 0
mount --bind "$1" "$2/mnt" || exit
chroot "$2" sh -c 'keepalived --version 2>&1 | head -n 1; cd /mnt; for f in $(ls | sort -n); do keepalived --config-test -f "/mnt/$f" >/tmp/log 2>&1; echo "$? there $f $(cat /tmp/log)"; done; rm /tmp/log'`
	out, err := exec.Command("unshare", "--net", "--mount", "--", "sh", "-c", script, "sh", dir, tree).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	places := []string{"here"}
	if tree != "" {
		places = append(places, "there")
		if !strings.Contains(string(out), "Keepalived v2.3") {
			t.Errorf("no keepalived 2.3 in %s", tree)
		}
	}
	for i, c := range configs {
		for _, place := range places {
			if !strings.Contains(string(out), fmt.Sprintf("0 %s %d \n", place, i)) {
				t.Errorf("%s, configuration %d:\n%s\n%s", place, i, c.Render(), out)
			}
		}
	}
}
