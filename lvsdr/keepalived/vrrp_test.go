package keepalived

import (
	"strings"
	"testing"
)

// vrrpCases are the ways in which directors can be told to move the VIPs, and what the
// second director's configuration then has and has not.
var vrrpCases = []struct{ name, vrrp, vips, has, hasNot string }{
	{"nothing said", "{}", "10.10.10.22", "vrrp_lower_prio_no_advert true|state BACKUP|virtual_router_id 51|priority 90|advert_int 1|10.10.10.22/32 dev eth0", "nopreempt|unicast|authentication|vrrp_version|vrrp_sync_group"},
	{"with synchronisation", "{}\nsync: {interface: eth0}", "10.10.10.22", "preempt_delay 13", "nopreempt"},
	{"all said", "{routerId: 7, interval: 2s, auth: geheim, preempt: false}", "10.10.10.22", "virtual_router_id 7|advert_int 2|auth_pass geheim|nopreempt", "vrrp_version"},
	{"parts of a second", "{interval: 250ms}", "10.10.10.22", "vrrp_version 3|advert_int 0.25", ""},
	{"unicast", "{unicast: true}", "10.10.10.22", "unicast_src_ip 10.10.10.33|unicast_peer|10.10.10.30", ""},
	{"another interface", "{interface: eth1}", "10.10.10.22", "interface eth1|track_interface|10.10.10.22/32 dev eth0", ""},
	{"both families", "{}", "10.10.10.22 fd00:10::22", "vrrp_sync_group lvsdr|fd00:10::22/128 dev eth0", ""},
}

// vrrpText is the second director's configuration.
func vrrpText(t *testing.T, vrrp, vips string) string {
	t.Helper()
	text := "interface: eth0\ndirectors: [{address: 10.10.10.30}, {address: 10.10.10.33}]\nvrrp: " + vrrp + "\nservices:\n"
	for _, vip := range strings.Fields(vips) {
		server := "10.10.10.31"
		if strings.Contains(vip, ":") {
			server = "fd00:10::31"
		}
		text += "  - {vip: '" + vip + "', realServers: [{address: '" + server + "'}]}\n"
	}
	return string(VRRP(described(t, text), "lvsdr.yaml", 1, onEth0).Render())
}

func TestVRRP(t *testing.T) {
	for _, test := range vrrpCases {
		t.Run(test.name, func(t *testing.T) {
			text := vrrpText(t, test.vrrp, test.vips)
			for _, want := range strings.Split(test.has, "|") {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			for _, stray := range strings.Split(test.hasNot, "|") {
				if stray != "" && strings.Contains(text, stray) {
					t.Errorf("%q in\n%s", stray, text)
				}
			}
		})
	}
}

// What others advertise disturbs no instance of lvsdr's own, and others as they say.
func TestUndisturbed(t *testing.T) {
	for _, tt := range []struct {
		global, instance string
		want             bool
	}{
		{"", "", false},
		{"vrrp_lower_prio_no_advert", "", true},
		{"vrrp_lower_prio_no_advert true", "lower_prio_no_advert false", false},
		{"vrrp_lower_prio_no_advert false", "lower_prio_no_advert", true},
		{"vrrp_strict", "", true},
		{"vrrp_strict", "strict_mode off", false},
		{"", "strict_mode on", true},
	} {
		c, err := Parse("k", []byte("global_defs {\n"+tt.global+"\n}\nvrrp_instance A {\n"+tt.instance+"\n}\n"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Instances()[0].Undisturbed; got != tt.want {
			t.Errorf("%q, %q: %v", tt.global, tt.instance, got)
		}
	}
}
