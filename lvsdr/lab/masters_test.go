//go:build linux

package lab_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// differs are vrrp_instances of which two directors say one thing otherwise: their
// names, the lines of the first director, those of the second, and what the doctor on the
// second tells; empty: keepalived heeds the other one all the same.
var differs = []struct{ name, first, second, told string }{
	{"same", "", "", ""},
	{"list", "", "", "it does not advertise 10.10.10.71"},
	{"interval", "", "advert_int 2", "it advertises every 1s, this director every 2s"},
	{"auth", "authentication {\nauth_type PASS\nauth_pass secret\n}", "authentication {\nauth_type PASS\nauth_pass other\n}", "its password (auth) is another one"},
	{"version", "", "version 3", "it speaks version 2 of VRRP, this director 3"},
	{"interval3", "version 3", "version 3\nadvert_int 2", ""},
}

func vrrpConf(priority int, second bool) string {
	var conf strings.Builder
	for i, d := range differs {
		more, vips := d.first, fmt.Sprintf("10.10.10.%d/32", 60+i)
		if second {
			more = d.second
		}
		if second && d.name == "list" {
			vips += "\n10.10.10.71/32"
		}
		fmt.Fprintf(&conf, "vrrp_instance %s {\nstate BACKUP\ninterface eth0\nvirtual_router_id %d\npriority %d\n%s\nvirtual_ipaddress {\n%s\n}\n}\n",
			d.name, 60+i, priority, more, vips)
	}
	return conf.String()
}

// What two directors say otherwise makes both of them master where keepalived does not
// heed the other one, and the doctor tells just that. The second director is asked: what
// the first one sends every second keeps it from ever sending every two.
func TestWhatMakesTwoMasters(t *testing.T) {
	lab.Need(t, lab.Netns, lab.Keepalived, lab.NFT)
	l := newLab(t)
	second, err := l.Add(t.Context(), "second", netip.MustParsePrefix("10.10.10.33/24"))
	if err != nil {
		t.Fatal(err)
	}
	for i, h := range []*lab.Host{l.Director, second} {
		sh(t, h, "mkdir -p /etc/keepalived; cat >/etc/keepalived/keepalived.conf <<'E'\n"+vrrpConf(100-10*i, h == second)+"E\n"+
			"keepalived -P -p /run/masters.pid -r /run/masters-vrrp.pid >/dev/null 2>&1 </dev/null")
		t.Cleanup(func() { sh(t, h, "kill $(cat /run/masters.pid)") })
		have := "[ $(ip -4 addr show dev eth0 | grep -cE '10.10.10.(6|71)') = %d ]"
		sh(t, h, fmt.Sprintf("for n in $(seq 200); do "+have+" && exit 0; sleep 0.1; done; ip addr; exit 1", []int{6, 5}[i]))
	}
	time.Sleep(time.Second)
	role, err := lvsdr.Director(describe("10.10.10.60", 1))
	if err != nil {
		t.Fatal(err)
	}
	e := role.Exam(second.LVS())
	e.Only = []string{"vrrp-master"}
	found := slices.DeleteFunc(e.Run(t.Context()), func(f doctor.Finding) bool { return f.Severity != doctor.Failure })
	for _, d := range differs {
		if d.told != "" && !slices.ContainsFunc(found, func(f doctor.Finding) bool { return strings.Contains(f.What, d.told) }) {
			t.Errorf("%s: not told", d.name)
		}
	}
	if len(found) != 4 {
		t.Errorf("%d findings: %v", len(found), found)
	}
}
