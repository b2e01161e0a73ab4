package cluster

import (
	"strings"
	"testing"
	"time"
)

// What VRRP cannot do, or two directors would do at once, is refused with its place.
func TestVRRPIsRefused(t *testing.T) {
	const services = "\nservices: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}]\n"
	const two = "directors: [{address: 10.10.10.30}, {address: 10.10.10.33}]\n"
	for text, want := range map[string]string{
		"vrrp: {}": "1:7: vrrp: VRRP moves the VIPs from one director to another",
		"directors: [{address: 10.10.10.30}]\nvrrp: {routerId: 7}":                            "2:7: vrrp: VRRP moves the VIPs from one director",
		two + "vrrp: {routerId: 0}":                                                           `2:18: vrrp.routerId: "0": a virtual router ID is 1 to 255`,
		two + "vrrp: {routerId: 256}":                                                         `2:18: vrrp.routerId: "256": a virtual router ID is 1 to 255`,
		two + "vrrp: {interval: 10ms}":                                                        `2:18: vrrp.interval: "10ms": the directors advertise every 100ms to 40s`,
		two + "vrrp: {interval: 1005ms}":                                                      "VRRP counts hundredths of a second",
		two + "vrrp: {interface: \"eth0:1\"}":                                                 "2:19: vrrp.interface",
		two + "vrrp: {auth: ninechars}":                                                       "2:14: vrrp.auth",
		two + "vrrp: {auth: \"a b\"}":                                                         "letters, digits and such are wanted",
		two + "vrrp: {auth: secret, interval: 500ms}":                                         "VRRP version 3 has no authentication",
		"directors: [{address: 10.10.10.30, priority: 90}, {address: 10.10.10.33}]\nvrrp: {}": `directors[1].priority: "90": is that of directors[0] too`,
		"directors: [{address: 10.10.10.30, priority: 90}, {address: 10.10.10.33, priority: 90}]\nvrrp: {}": `directors[1].priority: "90": is that of directors[0] too`,
		"directors: [{address: \"fd00:10::30\"}, {address: \"fd00:10::33\"}]\nvrrp: {unicast: true}":        "the VIP 10.10.10.22 is of the other address family",
		"directors: [{address: 10.10.10.30}, {address: 10.10.10.33}]\nvrrp: {preempt: yes}":                 "vrrp.preempt",
	} {
		_, err := ParseConfig("lvsdr.yaml", []byte(text+services))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestVRRPDefaults(t *testing.T) {
	c, err := ParseConfig("", []byte("directors: [{address: 10.10.10.30}, {address: 10.10.10.33}, {address: 10.10.10.34, priority: 120}]\nvrrp: {}\n"+
		"services: [{vip: 10.10.10.22, realServers: [{address: 10.10.10.31}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Priorities(); len(p) != 3 || p[0] != 100 || p[1] != 90 || p[2] != 120 {
		t.Errorf("priorities %v", p)
	}
	if d := c.VRRP.TakesOver(90); d < 3*time.Second || d >= 4*time.Second {
		t.Errorf("takes over after %v", d)
	}
	same := c
	full := c.VRRP.Full()
	same.VRRP = &full
	if !c.Equal(same) {
		t.Error("the defaults written out are another configuration")
	}
	other := 52
	full.RouterID = &other
	if c.Equal(same) {
		t.Error("another router ID is the same configuration")
	}
}
