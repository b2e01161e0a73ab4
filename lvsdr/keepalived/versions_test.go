package keepalived

import (
	"strings"
	"testing"
)

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]string{
		"Keepalived v2.2.7 (01/16,2022)\n\nCopyright(C) 2001-2022\n":       "2.2.7",
		"Keepalived v2.3.3 (03/30,2025), git commit v2.3.2-93-g1a2b3c4+\n": "2.3.3",
		"keepalived: unrecognized option\n":                                "",
	} {
		v, ok := ParseVersion(text)
		if ok != (want != "") || ok && v.String() != want {
			t.Errorf("%q: %v %v, want %q", text, v, ok, want)
		}
	}
}

// What a version lacks is told by the key that asks for it, the newest first.
func TestLacks(t *testing.T) {
	c := described(t, `engine: keepalived
directors: [{address: 10.0.0.1}, {address: 10.0.0.2}]
vrrp: {authHmac: `+strings.Repeat("0f", 32)+`}
services:
  - {vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}
  - {vip: 10.10.10.23, scheduler: mh, schedulerFlags: [mh-port], inhibit: true, realServers: [{address: 10.10.10.31}]}
`)
	for version, want := range map[Version]string{
		{2, 0, 15}:  "vrrp.authHmac 2.4.2, services[1].scheduler 2.0.20, engine 2.0.16, vrrp 2.0.16",
		{2, 0, 16}:  "vrrp.authHmac 2.4.2, services[1].scheduler 2.0.20",
		{2, 2, 7}:   "vrrp.authHmac 2.4.2",
		{2, 4, 2}:   "",
		{2, 10, 0}:  "",
		{10, 0, 0}:  "",
		{1, 99, 99}: "vrrp.authHmac 2.4.2, services[1].scheduler 2.0.20, engine 2.0.16, vrrp 2.0.16",
	} {
		var got []string
		for _, n := range version.Lacks(Needs(c)) {
			got = append(got, n.Path+" "+n.Since.String())
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%v: %q, want %q", version, got, want)
		}
	}
	c.Engine, c.VRRP = "", nil
	if all := Needs(c); len(all) > 0 {
		t.Errorf("without keepalived: %v", all)
	}
}

// A key of auth_hmac is written, and read as the same; what it says besides is told.
func TestHMAC(t *testing.T) {
	key := strings.Repeat("a1", 32)
	instance := "vrrp_instance A {\n interface eth0\n unicast_src_ip 10.0.0.2\n unicast_peer {\n 10.0.0.3\n }\n auth_hmac {\n  key 1 hex:" + key + "\n  key 2 file:/etc/k\n" +
		"  active_key 1\n  mode permissive\n }\n virtual_ipaddress {\n 10.0.0.1\n }\n}\n"
	got, remarks := imported(t, instance+"virtual_server 10.0.0.1 80 {\nlb_kind DR\nprotocol TCP\nreal_server 10.0.0.9 80 {\n}\n}\n")
	if got.VRRP == nil || got.VRRP.AuthHMAC != key {
		t.Fatalf("%+v", got.VRRP)
	}
	for _, want := range []string{"!k:9: auth_hmac: key 2 is left out", "!k:11: auth_hmac: mode permissive is left out"} {
		if told := remarksText(remarks); !strings.Contains(told, want) {
			t.Errorf("told\n%s\nwant %s", told, want)
		}
	}
	out, _, err := FromCluster(got, Host{Address: got.Directors[0].Address, RouterID: 51, From: "x", Interface: onEth0})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"    auth_hmac {", "        key 1 hex:" + key + "\n        active_key 1\n"} {
		if text := string(out.Render()); !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}
