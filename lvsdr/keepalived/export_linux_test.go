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

// TestKeepalivedTakesIt: keepalived -t takes what is written, with exit status 0, on a
// host with the interfaces. The namespaces are the test's own.
func TestKeepalivedTakesIt(t *testing.T) {
	lab.Need(t, lab.Netns, lab.Keepalived)
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(7, 8))
	var names []string
	write := func(text []byte) {
		name := filepath.Join(dir, fmt.Sprintf("%d.conf", len(names)))
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	for i := range 6 {
		c := randomCluster(r)
		if i == 0 {
			c = described(t, twoDirectors)
			c.Directors = nil
		}
		text := exported(t, c)
		if i%2 == 1 {
			text = Engine(c, "lvsdr.yaml", func(netip.Addr, cluster.Port, netip.Addr) bool { return i == 1 }).Render()
		}
		write(text)
	}
	for _, c := range vrrpCases {
		write([]byte(vrrpText(t, c.vrrp, c.vips)))
	}
	script := `ip link add eth0 type veth peer name eth1 && ip link set eth0 up && ip link set eth1 up || exit
for f; do keepalived --config-test="$f.log" -f "$f"; echo "$? $f"; cat "$f.log"; done`
	args := append([]string{"--net", "--mount", "--", "sh", "-c", script, "sh"}, names...)
	out, err := exec.Command("unshare", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for i, name := range names {
		if !strings.Contains(string(out), "0 "+name+"\n") || strings.Contains(string(out), " "+name+"\n(") {
			text, _ := os.ReadFile(name)
			t.Errorf("configuration %d:\n%s\n%s", i, text, out)
		}
	}
}
