//go:build linux

package lab_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// differs are vrrp_instances of which two directors say one thing otherwise: their
// names, the lines of the first director, those of the second, and what the doctor on
// either of them tells; empty: the other one is heeded all the same, or never sends.
var differs = []struct{ name, first, second, toldOnFirst, toldOnSecond string }{
	{"same", "", "", "", ""},
	{"list", "", "", "it advertises 10.10.10.71 too", "it does not advertise 10.10.10.71"},
	{"interval", "", "advert_int 2", "", "it advertises every 1s, this director every 2s"},
	{
		"auth", "authentication {\nauth_type PASS\nauth_pass secret\n}", "authentication {\nauth_type PASS\nauth_pass other\n}",
		"its password (auth) is another one", "its password (auth) is another one",
	},
	{"version", "", "version 3", "it speaks version 3 of VRRP, this director 2", "it speaks version 2 of VRRP, this director 3"},
	{"interval3", "version 3", "version 3\nadvert_int 2", "", ""},
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
// heed the other one, and the doctor tells just that on the one that hears the other: what
// a master sends, heeded or not, lets the other one's time begin anew, so that one of the
// two may never send (keepalived 2.2.7).
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
	wrong := "not asked"
	for try := 0; wrong != "" && try < 10; try++ { // what a busy director sends late is not heard
		wrong = toldWrongly(mastersTold(t, l.Director, "10.10.10.60"), mastersTold(t, second, "10.10.10.60"))
	}
	if wrong != "" {
		t.Error(wrong)
	}
	for _, h := range []*lab.Host{l.Director, second} {
		if told := mastersTold(t, h, "10.10.10.61", "vip-claim")(); !tells(told, "10.10.10.61") {
			t.Errorf("%s: neither check tells: %q", h.Name, told)
		}
	}
}

// mastersTold are the failures that vrrp-master, and other checks with it, find on a
// director of a VIP by listening once.
func mastersTold(t *testing.T, director *lab.Host, vip string, more ...string) func() []string {
	role, err := lvsdr.Director(describe(vip, 1))
	if err != nil {
		t.Fatal(err)
	}
	e := role.Exam(director.LVS())
	e.Only = append(more, "vrrp-master")
	told := make(chan []string, 1)
	go func() {
		var all []string
		for _, f := range e.Run(t.Context()) {
			if f.Severity == doctor.Failure {
				all = append(all, f.What)
			}
		}
		told <- all
	}()
	return func() []string { return <-told }
}

func tells(all []string, what string) bool {
	return slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, what) })
}

// toldWrongly says which of differs neither director tells, or what is told beside them.
func toldWrongly(first, second func() []string) string {
	onFirst, onSecond := first(), second()
	told := 0
	for _, d := range differs {
		if d.toldOnSecond == "" {
			continue
		}
		one := d.toldOnFirst != "" && tells(onFirst, d.toldOnFirst)
		other := tells(onSecond, d.toldOnSecond)
		if !one && !other {
			return fmt.Sprintf("%s: told on neither: %q, %q", d.name, onFirst, onSecond)
		}
		if one {
			told++
		}
		if other {
			told++
		}
	}
	if len(onFirst)+len(onSecond) != told {
		return fmt.Sprintf("more is told: %q, %q", onFirst, onSecond)
	}
	return ""
}
