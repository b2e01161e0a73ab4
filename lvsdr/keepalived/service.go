package keepalived

import (
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// vserver is a virtual_server while it is read.
type vserver struct {
	Directive
	service     cluster.Service
	method      string // DR, NAT or TUN
	protocol    cluster.Protocol
	granularity *Directive
	servers     []rserver
	check       *cluster.Check // of the real servers, with keepalived's defaults
	sorry       *Directive
	inhibits    bool
	weight      int   // of real servers that say none
	ports       []int // of its targets
	hosts       []Directive
	timing
}

// rserver is a real_server while it is read.
type rserver struct {
	Directive
	cluster.RealServer
	port   uint16
	method string // empty: that of the virtual_server
	check  *rcheck
	// inhibits is nil where it does not say.
	inhibits *bool
	hosts    []Directive // virtualhost
	timing
}

// defaultScheduler and defaultPersistence are keepalived's (keepalived.conf(5)).
const (
	defaultScheduler   = "wlc"
	defaultPersistence = 360
	defaultDelay       = 60
)

func (im *importer) virtualServer(d Directive) {
	targets := im.targets(d)
	v := &vserver{Directive: d, weight: 1}
	for _, t := range targets {
		v.ports = append(v.ports, int(t.port))
	}
	if weight := find(d, "weight"); weight.Words != nil {
		if n, ok := im.number(weight, weight.arg(), 65535); ok {
			v.weight = n
		}
	}
	for _, in := range d.Block {
		im.setting(v, in)
	}
	if len(targets) == 0 {
		return
	}
	im.defaults(v)
	im.check(v)
	im.inhibit(v)
	for _, target := range targets {
		im.service(v, target)
	}
}

// setting takes one directive of a virtual_server.
func (im *importer) setting(v *vserver, d Directive) {
	s := &v.service
	switch d.Keyword() {
	case "lb_algo", "lvs_sched":
		s.Scheduler = im.scheduler(d)
	case "lb_kind", "lvs_method":
		v.method = im.method(d)
	case "protocol":
		im.protocol(v, d)
	case "persistence_timeout":
		im.persistence(v, d)
	case "persistence_granularity":
		v.granularity = &d
	case "persistence_engine":
		im.lost(d, "persistence_engine %s is left out: clients are known by their address", shown(d.arg()))
	case "ops":
		s.OnePacket = true
	case "sh-port", "sh-fallback", "mh-port", "mh-fallback", "flag-1", "flag-2", "flag-3":
		s.SchedulerFlags = append(s.SchedulerFlags, d.Keyword())
	case "real_server":
		im.realServer(v, d)
	case "quorum":
		s.Quorum, _ = im.number(d, d.arg(), math.MaxInt32)
	case "sorry_server":
		v.sorry = &d
	case "inhibit_on_failure":
		v.inhibits = isSet(d)
	case "virtualhost":
		v.hosts = append(v.hosts, d)
	case "alpha", "omega": // as lvsdr has it
	case "weight": // read before
	default:
		if !im.time(&v.timing, d, v.Keyword()) {
			im.fate(d, serverFates)
		}
	}
}

// defaults fills in what the file does not say, and tells it.
func (im *importer) defaults(v *vserver) {
	s, d := &v.service, v.Directive
	if v.method == "" {
		v.method = "NAT"
		im.lost(d, "no lb_kind: keepalived takes NAT then, not direct routing; if DR was meant, write lb_kind DR")
	}
	if v.protocol == 0 {
		v.protocol = cluster.UDP
		im.lost(d, "no protocol: keepalived 2.2 takes UDP then; if TCP was meant, write protocol TCP, and here correct the ports")
	}
	if s.Scheduler == "" {
		s.Scheduler = defaultScheduler
		im.note(d, "no lb_algo: keepalived takes %s then", defaultScheduler)
	}
	if find(d, "delay_loop").Words == nil {
		im.note(d, "no delay_loop: keepalived looks at a real server every %d s then, and a dead one stays for so long", defaultDelay)
	}
	im.schedulerFlags(v)
	if s.OnePacket && v.protocol != cluster.UDP {
		s.OnePacket = false
		im.lost(d, "ops is left out: only UDP has one-packet scheduling")
	}
}

// schedulerFlags spells flag-1 and flag-2 as the scheduler calls them
// (include/uapi/linux/ip_vs.h), and leaves out what it has not.
func (im *importer) schedulerFlags(v *vserver) {
	var flags []string
	for _, name := range v.service.SchedulerFlags {
		scheduler := v.service.Scheduler
		switch name {
		case "flag-1":
			name = scheduler + "-fallback"
		case "flag-2":
			name = scheduler + "-port"
		}
		if !strings.HasPrefix(name, scheduler+"-") || !slices.Contains(cluster.SchedulerFlags(), name) {
			im.lost(v.Directive, "%s is left out: the scheduler %s has no such flag", name, shown(scheduler))
		} else if !slices.Contains(flags, name) {
			flags = append(flags, name)
		}
	}
	v.service.SchedulerFlags = flags
}

// scheduler reads lb_algo and lvs_sched. What is none of the kernel's, keepalived 2 passes
// over.
func (im *importer) scheduler(d Directive) string {
	if slices.Contains(cluster.Schedulers(), d.arg()) {
		return d.arg()
	}
	im.lost(d, "%s is left out: it is no scheduler, and keepalived takes %s then; the kernel has %s", shown(d.Keyword()+" "+d.arg()), defaultScheduler, strings.Join(cluster.Schedulers(), ", "))
	return defaultScheduler
}

// method reads lb_kind and lvs_method.
func (im *importer) method(d Directive) string {
	switch method := d.arg(); {
	case slices.Contains(methods, method):
		return method
	case slices.Contains(methods, strings.ToUpper(method)):
		im.lost(d, "%s: keepalived knows %s in capitals alone, and takes NAT; if %[2]s was meant, write it so", shown(d.text()), strings.ToUpper(method))
	default:
		im.lost(d, "%s is none of keepalived's forwarding methods DR, NAT and TUN: NAT is what keepalived takes then", shown(method))
	}
	return "NAT"
}

// methods are keepalived's forwarding methods.
var methods = []string{"DR", "NAT", "TUN"}

func (im *importer) protocol(v *vserver, d Directive) {
	switch strings.ToUpper(d.arg()) {
	case "TCP":
		v.protocol = cluster.TCP
	case "UDP":
		v.protocol = cluster.UDP
	case "SCTP":
		v.protocol = cluster.SCTP
	default:
		im.lost(d, "the protocol %s is left out: TCP, UDP or SCTP is wanted", shown(d.arg()))
	}
}

func (im *importer) persistence(v *vserver, d Directive) {
	seconds := defaultPersistence
	if d.arg() == "0" {
		im.note(d, "persistence_timeout 0 is an error to keepalived, which then has no persistence: to have none, leave the line out")
		return
	}
	if d.arg() != "" {
		n, ok := im.number(d, d.arg(), maxSeconds)
		if !ok {
			return
		}
		seconds = n
	}
	v.service.Persistence = secondsOf(seconds)
}

func (im *importer) realServer(v *vserver, d Directive) {
	r := rserver{Directive: d}
	a, err := netip.ParseAddr(d.arg())
	if err != nil {
		im.lost(d, "%s is left out: the address of a real server is wanted", shown(d.text()))
		return
	}
	if a.IsLoopback() {
		im.lost(d, "%s is left out: it is the director itself, which with lvsdr is no real server", shown(d.text()))
		return
	}
	r.Address = a
	if v.weight != 1 {
		r.Weight = &v.weight
	}
	if len(d.Words) > 2 {
		n, ok := im.number(d, d.Words[2], 65535)
		if !ok {
			return
		}
		r.port = uint16(n)
	}
	for _, in := range d.Block {
		im.serverSetting(&r, in)
	}
	v.servers = append(v.servers, r)
}

func (im *importer) serverSetting(r *rserver, d Directive) {
	switch d.Keyword() {
	case "weight":
		if n, ok := im.number(d, d.arg(), 65535); ok {
			r.Weight = &n
		}
		if r.Weight != nil && *r.Weight == 1 {
			r.Weight = nil
		}
	case "lvs_method", "lb_kind":
		r.method = im.method(d)
	case "uthreshold":
		n, _ := im.number(d, d.arg(), maxThreshold)
		r.UpperThreshold = uint32(n)
	case "lthreshold":
		n, _ := im.number(d, d.arg(), maxThreshold)
		r.LowerThreshold = uint32(n)
	case "smtp_alert":
		if !isSet(d) {
			im.fate(d, serverFates)
		}
	case "inhibit_on_failure":
		yes := isSet(d)
		r.inhibits = &yes
	case "virtualhost":
		r.hosts = append(r.hosts, d)
	default:
		switch {
		case kindOf(d.Keyword()) != "":
			im.checker(r, d)
		case !im.time(&r.timing, d, r.Keyword()):
			im.fate(d, serverFates)
		}
	}
}

// isSet tells whether a directive that is on where it stands alone is on.
func isSet(d Directive) bool { return d.arg() == "" || isOn(d.arg()) }

// inhibit is the same for all real servers of a service. Without checks it does nothing.
func (im *importer) inhibit(v *vserver) {
	does := func(r rserver) bool {
		if r.inhibits == nil {
			return v.inhibits
		}
		return *r.inhibits
	}
	for i, r := range v.servers {
		if i == 0 {
			v.service.Inhibit = im.looked && does(r)
			continue
		}
		if im.looked && does(r) != v.service.Inhibit {
			im.lost(r.Directive, "inhibit_on_failure of %s is left out: lvsdr has one for all real servers of a service, that of %s", r.Address, v.servers[0].Address)
		}
	}
}
