package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"go.yaml.in/yaml/v4"
)

// mission is the cluster of the project's brief as a file.
const mission = `interface: eth0                  # optional
services:
  - vip: 10.10.10.22
    ports: [80]                  # 443, "53/udp"
    scheduler: wrr
    persistence: 20s
    realServers:
      - {address: 10.10.10.31, weight: 1}
      - {address: 10.10.10.32, weight: 1}
timeouts: {tcp: 30s, tcpFin: 5s, udp: 60s}
firewall: auto
`

func missionConfig() Config {
	one := 1
	return Config{
		Interface: "eth0",
		Services: []Service{{
			VIP:         netip.MustParseAddr("10.10.10.22"),
			Ports:       []Port{{80, TCP}},
			Scheduler:   "wrr",
			Persistence: Duration(20 * time.Second),
			RealServers: []RealServer{
				{Address: netip.MustParseAddr("10.10.10.31"), Weight: &one},
				{Address: netip.MustParseAddr("10.10.10.32"), Weight: &one},
			},
		}},
		Timeouts: Timeouts{TCP: Duration(30 * time.Second), TCPFin: Duration(5 * time.Second), UDP: Duration(time.Minute)},
		Firewall: "auto",
	}
}

func TestParseConfigMission(t *testing.T) {
	c, err := ParseConfig("lvsdr.yaml", []byte(mission))
	if err != nil {
		t.Fatal(err)
	}
	if want := missionConfig(); !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v\nwant %+v", c, want)
	}
	for _, role := range []string{DirectorRole, RealServerRole} {
		if err := c.Validate(role); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
}

func TestParseConfigAccepts(t *testing.T) {
	for name, text := range map[string]string{
		"json":                      `{"services":[{"vip":"10.0.0.1","ports":[80,"53/udp"],"realServers":[{"address":"10.0.0.2","weight":0}]}]}`,
		"only a vip":                "services: [{vip: 10.0.0.1}]\n",
		"crlf":                      "services:\r\n  - vip: 10.0.0.1\r\n",
		"byte order mark":           "\ufeffservices:\n  - vip: 10.0.0.1\n",
		"document markers":          "---\nservices:\n  - vip: 10.0.0.1\n...\n",
		"alias":                     "services:\n  - {vip: 10.0.0.1, realServers: &all [{address: 10.0.0.3}]}\n  - {vip: 10.0.0.2, realServers: *all}\n",
		"quoted words":              "services:\n  - vip: '10.0.0.1'\n    ports: [\"80\"]\n    persistence: \"20s\"\n",
		"port 0":                    "services: [{vip: 10.0.0.1, ports: [0], persistence: 300s}]\n",
		"every timeout 0":           "services: [{vip: 10.0.0.1}]\ntimeouts: {tcp: 0, tcpFin: 0s, udp: 0m}\n",
		"same port, other protocol": "services: [{vip: 10.0.0.1, ports: [53, 53/udp, 53/sctp]}]\n",
		"same port, other vip":      "services: [{vip: 10.0.0.1}, {vip: 10.0.0.2}]\n",
		"shared real server":        "services: [{vip: 10.0.0.1, realServers: [{address: 10.0.0.3}]}, {vip: 10.0.0.2, realServers: [{address: 10.0.0.3}]}]\n",
		"both families":             "services: [{vip: 10.0.0.1, realServers: [{address: 10.0.0.3}]}, {vip: '2001:db8::1', realServers: [{address: '2001:db8::3'}]}]\n",
		"limits": "services: [{vip: 10.0.0.1, persistence: 2147483s, persistenceNetmask: 1, realServers: " +
			"[{address: 10.0.0.3, weight: 65535, upperThreshold: 4294967295, lowerThreshold: 4294967295}]}]\ntimeouts: {tcp: 2147483s}\ndrain: 0s\n",
		"scheduler flags": "services: [{vip: 10.0.0.1, scheduler: mh, schedulerFlags: [mh-port, mh-fallback]}, {vip: 10.0.0.1, ports: [81], scheduler: sh, schedulerFlags: [sh-port]}]\n",
		"one packet":      "services: [{vip: 10.0.0.1, ports: [53/udp], onePacket: true}]\n",
		"sorry server":    "engine: keepalived\nservices: [{vip: 10.0.0.1, sorryServer: 10.0.0.8, inhibit: true, realServers: [{address: 10.0.0.3}]}, {vip: '2001:db8::1', sorryServer: '2001:db8::8'}]\n",
		"sync":            "services: [{vip: 10.0.0.1}]\nsync: {interface: eth1, id: 7, group: 224.0.0.99, port: 9000}\n",
		"sync group":      "interface: eth0\nservices: [{vip: 10.0.0.1}]\nsync: {group: 224.0.0.99}\n",
		"ipv6 netmask":    "services: [{vip: '2001:db8::1', persistence: 1s, persistenceNetmask: 128}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := ParseConfig("f", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			roundTrip(t, c)
		})
	}
}

// roundTrip fails when c does not survive being written and read again.
func roundTrip(t *testing.T, c Config) {
	t.Helper()
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseConfig("again", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if !reflect.DeepEqual(c, again) {
		t.Errorf("YAML: got %+v\nwant %+v\n%s", again, c, text)
	}
	text, err = json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if again, err = ParseConfig("again", text); err != nil || !reflect.DeepEqual(c, again) {
		t.Errorf("JSON: %v: got %+v\nwant %+v\n%s", err, again, c, text)
	}
	var plain Config
	if err := json.Unmarshal(text, &plain); err != nil || !reflect.DeepEqual(c, plain) {
		t.Errorf("encoding/json: %v: got %+v\nwant %+v\n%s", err, plain, c, text)
	}
}

// TestNothingIsOmittedUnread: yaml's omitempty takes a struct without public fields for
// empty, whatever it is; who has such a field writes itself.
func TestNothingIsOmittedUnread(t *testing.T) {
	met := map[string]bool{}
	var walk func(reflect.Type)
	walk = func(in reflect.Type) {
		for in.Kind() == reflect.Pointer || in.Kind() == reflect.Slice {
			in = in.Elem()
		}
		if in.Kind() != reflect.Struct || met[in.Name()] {
			return
		}
		met[in.Name()] = true
		for i := range in.NumField() {
			f := in.Field(i)
			hidden := f.Type.Kind() == reflect.Struct && !slices.ContainsFunc(reflect.VisibleFields(f.Type), reflect.StructField.IsExported)
			if hidden && strings.Contains(f.Tag.Get("yaml"), "omitempty") {
				if _, ok := reflect.Zero(in).Interface().(yaml.Marshaler); !ok {
					t.Errorf("%s.%s is never written", in.Name(), f.Name)
				}
				met[in.Name()+"."+f.Name] = true
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Config]())
	if !met["Service.SorryServer"] || !met["Sync.Group"] {
		t.Errorf("met %v", met)
	}
}

func TestPortJSON(t *testing.T) {
	var ports []Port
	if err := json.Unmarshal([]byte(`[80, "53/udp"]`), &ports); err != nil {
		t.Fatal(err)
	}
	if want := []Port{{80, TCP}, {53, UDP}}; !reflect.DeepEqual(ports, want) {
		t.Errorf("got %v, want %v", ports, want)
	}
}

func TestEveryScheduler(t *testing.T) {
	for _, name := range ipvs.Schedulers() {
		text := fmt.Sprintf("services: [{vip: 10.0.0.1, scheduler: %s}]", name)
		if _, err := ParseConfig("", []byte(text)); err != nil {
			t.Error(err)
		}
	}
}

func TestManyErrors(t *testing.T) {
	text := "services:\n" + strings.Repeat("  - {vip: nowhere}\n", 30)
	_, err := ParseConfig("f", []byte(text))
	if err == nil || strings.Count(err.Error(), "\n") != maxErrors || !strings.HasSuffix(err.Error(), "\nand 10 more errors") {
		t.Errorf("got %v", err)
	}
	text = "services: [{vip: 10.0.0.1}]\nfirewall: ufw2\n" + "timeouts: {tcp: -1s, udp: 1ms}\n"
	_, err = ParseConfig("f", []byte(text))
	var first *ConfigError
	if !errors.As(err, &first) || first.Path != "timeouts.tcp" {
		t.Errorf("got %v", err)
	}
}

func TestLocateError(t *testing.T) {
	data := []byte("services:\n  - vip: 10.0.0.1\n    realServers: [{address: 10.0.0.2}]\n  - vip: 10.0.0.3\n")
	c, err := ParseConfig("f", data)
	if err != nil {
		t.Fatal(err)
	}
	err = LocateError(c.Validate(DirectorRole), "f", data)
	want := "f:4:5: services[1].realServers: a director needs at least one real server for each service"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err := LocateError(nil, "f", data); err != nil {
		t.Error(err)
	}
	if err := c.Validate(RealServerRole); err != nil {
		t.Error(err)
	}
}

func TestValidateWithoutFile(t *testing.T) {
	err := Config{Services: []Service{{VIP: netip.MustParseAddr("10.0.0.1"), Ports: []Port{{80, 99}}}}}.Validate(DirectorRole)
	var e *ConfigError
	if !errors.As(err, &e) || e.Path != "services[0].ports[0]" || e.Line != 0 {
		t.Errorf("got %v", err)
	}
	if err := (Config{}).Validate(RealServerRole); !errors.As(err, &e) || e.Path != "services" {
		t.Errorf("got %v", err)
	}
	err = Config{Services: []Service{{Ports: []Port{{80, TCP}}, RealServers: []RealServer{{}}}}}.Validate("")
	want := "services[0].vip: a service needs its vip, such as 10.10.10.22\n" +
		"services[0].realServers[0].address: a real server needs its address, such as 10.10.10.31"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestVirtualServices(t *testing.T) {
	c := missionConfig()
	c.Services = append(c.Services, Service{
		VIP: netip.MustParseAddr("2001:db8::22"), Ports: []Port{{53, UDP}, {53, TCP}}, Scheduler: "mh",
		SchedulerFlags: []string{"mh-port"}, OnePacket: true,
	})
	got := c.VirtualServices()
	if len(got) != 3 {
		t.Fatalf("got %d services", len(got))
	}
	dest := func(a string) ipvs.Destination {
		return ipvs.Destination{Addr: netip.MustParseAddr(a), Port: 80, Forwarding: ipvs.DirectRoute, Weight: 1}
	}
	want := ipvs.Entry{
		Service: ipvs.Service{
			ID:        ipvs.ID{Addr: netip.MustParseAddr("10.10.10.22"), Port: 80, Protocol: TCP},
			Scheduler: "wrr", Flags: ipvs.Persistent, Persistence: 20 * time.Second, Netmask: 32,
		},
		Destinations: []ipvs.Destination{dest("10.10.10.31"), dest("10.10.10.32")},
	}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("got  %+v\nwant %+v", got[0], want)
	}
	if v := got[1]; v.ID.String() != "udp [2001:db8::22]:53" || v.Netmask != 128 || v.Flags != ipvs.OnePacket|ipvs.Sched2 {
		t.Errorf("got %+v", v)
	}
	if vips := c.VIPs(); len(vips) != 2 || vips[0] != c.Services[0].VIP {
		t.Errorf("vips: %v", vips)
	}
	if got, want := fmt.Sprint(c.Schedulers()), "[mh wrr]"; got != want {
		t.Errorf("schedulers: %s, want %s", got, want)
	}
	if c.DrainTime() != DefaultDrain {
		t.Errorf("drain: %v", c.DrainTime())
	}
	bare := Config{Services: []Service{{VIP: netip.MustParseAddr("10.0.0.1"), RealServers: []RealServer{{Address: netip.MustParseAddr("10.0.0.2")}}}}}
	if got, want := fmt.Sprintf("%+v", bare.VirtualServices()[0].Destinations[0].Weight), "1"; got != want {
		t.Errorf("default weight %s", got)
	}
	if v := bare.VirtualServices()[0]; v.Scheduler != "wrr" || v.ID.String() != "tcp 10.0.0.1:80" || v.Flags != 0 || v.Persistence != 0 {
		t.Errorf("defaults: %+v", v)
	}
}

// BenchmarkParseConfig reads 1000 services with 10 real servers each.
func BenchmarkParseConfig(b *testing.B) {
	var text strings.Builder
	text.WriteString("services:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - vip: 10.1.%d.%d\n    persistence: 20s\n    realServers:\n", i/250, i%250+1)
		for j := range 10 {
			fmt.Fprintf(&text, "      - {address: 10.10.10.%d, weight: 1}\n", j+1)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseConfig("", []byte(text.String())); err != nil {
			b.Fatal(err)
		}
	}
}

// A port without a protocol is TCP, as it is in a file.
func TestPortWithoutProtocol(t *testing.T) {
	vip := netip.MustParseAddr("10.10.10.22")
	c := Config{Services: []Service{{VIP: vip, Ports: []Port{{Number: 80}}}}}
	if err := c.Validate(""); err != nil {
		t.Error(err)
	}
	if id := c.VirtualServices()[0].ID; id.Protocol != TCP || c.Services[0].Ports[0].String() != "80" {
		t.Errorf("%v, %v", id, c.Services[0].Ports[0])
	}
	c.Services = append(c.Services, Service{VIP: vip, Ports: []Port{{Number: 80, Protocol: TCP}}})
	if err := c.Validate(""); err == nil {
		t.Error("a port given twice is accepted")
	}
}
