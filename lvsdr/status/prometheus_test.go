package status_test

import (
	"context"
	"maps"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
	"github.com/lvsdr/toolkit/lvsdr/status"
)

// counted is a table whose services and real servers have been at work.
type counted struct{ host.IPVS }

var stats = ipvs.Stats{Connections: 1 << 40, InPackets: 1<<63 + 1, InBytes: 1<<64 - 1, OutBytes: 5}

func (counted) Services(context.Context, ipvs.Detail) ([]ipvs.Service, error) {
	four, six := netip.MustParseAddr("10.10.10.22"), netip.MustParseAddr("fd00:10::22")
	return []ipvs.Service{
		{ID: ipvs.ID{Addr: four, Port: 80, Protocol: ipvs.TCP}, Scheduler: "wrr", Stats: &stats},
		{ID: ipvs.ID{Addr: four, Port: 53, Protocol: ipvs.UDP}, Scheduler: "rr"},
		{ID: ipvs.ID{Addr: six, Port: 80, Protocol: ipvs.TCP}, Scheduler: "wrr"},
		{ID: ipvs.ID{Addr: netip.IPv6Unspecified(), FWMark: 7}, Scheduler: `a"b\c` + "\nd"},
	}, nil
}

func (counted) Destinations(_ context.Context, id ipvs.ID, _ ipvs.Detail) ([]ipvs.Destination, error) {
	if id.FWMark != 0 {
		return nil, nil
	}
	rip := netip.MustParseAddr("10.10.10.31")
	if id.Addr.Is6() {
		rip = netip.MustParseAddr("fd00:10::31")
	}
	return []ipvs.Destination{{Addr: rip, Port: id.Port, Forwarding: ipvs.DirectRoute, Weight: 3, Active: 1, Inactive: 2, Persistent: 4, Stats: &stats}}, nil
}

func metrics(t *testing.T) string {
	t.Helper()
	h := *lvsdrtest.Director("ip addr add 10.10.10.22/32 dev eth0").Host()
	h.IPVS = counted{h.IPVS}
	st, err := status.Look(t.Context(), &h)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := st.Prometheus(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The lines of the format, and what the conventions want of names
// (prometheus.io/docs/practices/naming).
var (
	helpLine   = regexp.MustCompile(`^# HELP ([a-z][a-z0-9_]*) (\S.*[.])$`)
	typeLine   = regexp.MustCompile(`^# TYPE ([a-z][a-z0-9_]*) (gauge|counter)$`)
	sampleLine = regexp.MustCompile(`^([a-z][a-z0-9_]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? ([0-9]+)$`)
	labelPair  = regexp.MustCompile(`([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"`)
)

// The exposition is held to the format, line by line, and to the conventions: one HELP
// and one TYPE before the samples of a family, all of them together, no sample twice,
// counters and nothing else end in _total.
func TestPrometheusFormat(t *testing.T) {
	text := metrics(t)
	askPromtool(t, text)
	if !strings.HasSuffix(text, "\n") {
		t.Error("the last line has no end")
	}
	seen, family, kind := map[string]bool{}, "", ""
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		once := line
		switch help, typ, sample := helpLine.FindStringSubmatch(line), typeLine.FindStringSubmatch(line), sampleLine.FindStringSubmatch(line); {
		case help != nil:
			family, kind, once = help[1], "", "HELP "+help[1]
		case typ != nil:
			kind, once = typ[2], "TYPE "+typ[1]
			if typ[1] != family || (kind == "counter") != strings.HasSuffix(family, "_total") || !strings.HasPrefix(family, "lvsdr_") {
				t.Errorf("line %d, behind HELP of %s: %s", i+1, family, line)
			}
		case sample == nil || sample[1] != family || kind == "":
			t.Errorf("line %d is no sample of %s: %s", i+1, family, line)
		default:
			once = sample[1] + labelsOnce(t, sample[2])
			if _, err := strconv.ParseUint(sample[3], 10, 64); err != nil {
				t.Errorf("line %d: %v", i+1, err)
			}
		}
		if seen[once] {
			t.Errorf("line %d is there twice: %s", i+1, line)
		}
		seen[once] = true
	}
}

// labelsOnce is the set of labels in a fixed order; none is named twice.
func labelsOnce(t *testing.T, text string) string {
	t.Helper()
	set := map[string]string{}
	for _, pair := range labelPair.FindAllStringSubmatch(text, -1) {
		if _, twice := set[pair[1]]; twice {
			t.Errorf("label %s twice: %s", pair[1], text)
		}
		set[pair[1]] = pair[2]
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(set)) {
		b.WriteString("," + name + "=" + set[name])
	}
	return b.String()
}

// What the kernel counts arrives, also what is too large for a signed number.
func TestPrometheusValues(t *testing.T) {
	text := metrics(t)
	for _, line := range []string{
		`lvsdr_vip_present{vip="10.10.10.22"} 1`,
		`lvsdr_vip_present{vip="fd00:10::22"} 0`,
		`lvsdr_service_connections_total{protocol="tcp",vip="10.10.10.22",port="80"} 1099511627776`,
		`lvsdr_service_packets_total{protocol="tcp",vip="10.10.10.22",port="80"} 9223372036854775809`,
		`lvsdr_service_bytes_total{protocol="tcp",vip="10.10.10.22",port="80"} 18446744073709551615`,
		`lvsdr_service_info{fwmark="7",family="ipv6",scheduler="a\"b\\c\nd"} 1`,
		`lvsdr_real_server_weight{protocol="udp",vip="10.10.10.22",port="53",real_server="10.10.10.31",real_port="53"} 3`,
		`lvsdr_real_server_active_connections{protocol="tcp",vip="fd00:10::22",port="80",real_server="fd00:10::31",real_port="80"} 1`,
		`lvsdr_real_server_inactive_connections{protocol="tcp",vip="10.10.10.22",port="80",real_server="10.10.10.31",real_port="80"} 2`,
		`lvsdr_real_server_persistent_connections{protocol="tcp",vip="10.10.10.22",port="80",real_server="10.10.10.31",real_port="80"} 4`,
		`lvsdr_real_server_bytes_total{protocol="tcp",vip="10.10.10.22",port="80",real_server="10.10.10.31",real_port="80"} 18446744073709551615`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line, text)
		}
	}
}

// askPromtool has Prometheus's own reader judge it, where that is at hand
// (Debian: prometheus).
func askPromtool(t *testing.T, text string) {
	t.Helper()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		return
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
