package status

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/step"
)

// Prometheus writes the look in the text format of Prometheus's metrics
// (prometheus.io/docs/instrumenting/exposition_formats), as node_exporter's textfile
// collector reads it: one family a counter of the kernel, labelled by the service and
// the real server. docs/output.md lists the families, which are never renamed.
func (st *Status) Prometheus(w io.Writer) error {
	var b strings.Builder
	for _, f := range families {
		f.write(&b, st)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// A family is all samples of one name.
type family struct {
	name, kind, help string
	samples          func(st *Status) []sample
}

type sample struct {
	labels []string // name, value, name, value …
	value  uint64
}

// families are in the order in which they are written.
var families = []family{
	{"lvsdr_role_info", "gauge", "The role that lvsdr has set up on this host, 1 for each.", roles},
	{"lvsdr_vip_present", "gauge", "Whether this host has the VIP of a virtual service, or of lvsdr's, among its addresses.", vipsPresent},
	{"lvsdr_sync_daemon_info", "gauge", "A connection synchronisation daemon of the kernel that runs, always 1.", daemons},
	{"lvsdr_vrrp_master", "gauge", "Whether this director has the VIPs that VRRP moves: 1 for the master.", vrrpMaster},
	{"lvsdr_timeout_seconds", "gauge", "IPVS's connection timeouts.", timeouts},
	{"lvsdr_service_info", "gauge", "A virtual service and its scheduler, always 1.", ofServices(func(Service) uint64 { return 1 }, "scheduler")},
	{"lvsdr_service_connections_total", "counter", "Connections that were scheduled since the service was added.", ofServices(func(s Service) uint64 { return s.Counters.Connections })},
	{"lvsdr_service_packets_total", "counter", "Packets that came in for the service; replies do not pass a director of direct routing.", ofServices(func(s Service) uint64 { return s.Counters.Packets })},
	{"lvsdr_service_bytes_total", "counter", "Bytes that came in for the service; replies do not pass a director of direct routing.", ofServices(func(s Service) uint64 { return s.Counters.Bytes })},
	{"lvsdr_real_server_weight", "gauge", "Weight of the real server; 0 gets no new connections.", ofServers(func(r RealServer) uint64 { return uint64(r.Weight) })},
	{"lvsdr_real_server_active_connections", "gauge", "Connections in the state ESTABLISHED.", ofServers(func(r RealServer) uint64 { return uint64(r.Active) })},
	{"lvsdr_real_server_inactive_connections", "gauge", "Connections in other states.", ofServers(func(r RealServer) uint64 { return uint64(r.Inactive) })},
	{"lvsdr_real_server_persistent_connections", "gauge", "Clients that persistence holds at the real server.", ofServers(func(r RealServer) uint64 { return uint64(r.Persistent) })},
	{"lvsdr_real_server_connections_total", "counter", "Connections that were scheduled to the real server since it was added.", ofServers(func(r RealServer) uint64 { return r.Counters.Connections })},
	{"lvsdr_real_server_packets_total", "counter", "Packets that were forwarded to the real server.", ofServers(func(r RealServer) uint64 { return r.Counters.Packets })},
	{"lvsdr_real_server_bytes_total", "counter", "Bytes that were forwarded to the real server.", ofServers(func(r RealServer) uint64 { return r.Counters.Bytes })},
}

// write leaves out a family that has no sample.
func (f family) write(b *strings.Builder, st *Status) {
	samples := f.samples(st)
	if len(samples) == 0 {
		return
	}
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
	for _, s := range samples {
		fmt.Fprintf(b, "%s%s %d\n", f.name, labels(s.labels), s.value)
	}
}

// labels renders {vip="10.10.10.22",port="80"}.
func labels(pairs []string) string {
	var words []string
	for pair := range slices.Chunk(pairs, 2) {
		words = append(words, pair[0]+`="`+labelValue.Replace(pair[1])+`"`)
	}
	return "{" + strings.Join(words, ",") + "}"
}

// labelValue escapes what the format has an escape for.
var labelValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func roles(st *Status) []sample {
	var all []sample
	for _, role := range strings.FieldsFunc(st.Role, func(r rune) bool { return r == ',' }) {
		all = append(all, sample{[]string{"role", role}, 1})
	}
	return all
}

// vipsPresent has the VIPs of the services, and those that the host has besides.
func vipsPresent(st *Status) []sample {
	present := map[netip.Addr]uint64{}
	for _, s := range st.Services {
		if s.FWMark == 0 {
			present[s.id.Addr] = 0
		}
	}
	for _, v := range st.VIPs {
		present[v.addr] = 1
	}
	var all []sample
	for vip, is := range present {
		all = append(all, sample{[]string{"vip", vip.String()}, is})
	}
	slices.SortFunc(all, func(a, b sample) int { return cmp.Compare(a.labels[1], b.labels[1]) })
	return all
}

func daemons(st *Status) []sample {
	var all []sample
	for _, d := range st.Sync {
		all = append(all, sample{[]string{"state", d.State, "interface", d.Interface, "id", strconv.Itoa(int(d.ID))}, 1})
	}
	return all
}

func timeouts(st *Status) []sample {
	t := st.Timeouts
	if t == nil {
		return nil
	}
	return []sample{
		{[]string{"state", "tcp"}, uint64(t.TCP)},
		{[]string{"state", "tcpfin"}, uint64(t.TCPFin)},
		{[]string{"state", "udp"}, uint64(t.UDP)},
	}
}

// ofServices takes a value of each service; with "scheduler" its scheduler is a label.
func ofServices(value func(Service) uint64, more ...string) func(*Status) []sample {
	return func(st *Status) []sample {
		var all []sample
		for _, s := range st.Services {
			labels := s.labels()
			if len(more) > 0 {
				labels = append(labels, "scheduler", s.Scheduler)
			}
			all = append(all, sample{labels, value(s)})
		}
		return all
	}
}

func ofServers(value func(RealServer) uint64) func(*Status) []sample {
	return func(st *Status) []sample {
		var all []sample
		for _, s := range st.Services {
			for _, r := range s.RealServers {
				all = append(all, sample{append(s.labels(), "real_server", r.Address, "real_port", fmt.Sprint(r.Port)), value(r)})
			}
		}
		return all
	}
}

// labels tell the service apart.
func (s Service) labels() []string {
	if s.FWMark == 0 {
		return []string{"protocol", s.Protocol, "vip", s.VIP, "port", fmt.Sprint(s.Port)}
	}
	family := "ipv4"
	if s.id.Addr.Is6() {
		family = "ipv6"
	}
	return []string{"fwmark", fmt.Sprint(s.FWMark), "family", family}
}

func vrrpMaster(st *Status) []sample {
	switch st.VRRP {
	case "":
		return nil
	case step.VRRPMaster:
		return []sample{{value: 1}}
	}
	return []sample{{}}
}
