package keepalived

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// timing is what a virtual_server and a real_server say for the checks in them.
type timing struct {
	interval, timeout, retryDelay cluster.Duration
	retries                       *int
}

// or fills in what t does not say.
func (t timing) or(other timing) timing {
	t.interval, t.timeout = cmp.Or(t.interval, other.interval), cmp.Or(t.timeout, other.timeout)
	t.retryDelay = cmp.Or(t.retryDelay, other.retryDelay)
	if t.retries == nil {
		t.retries = other.retries
	}
	return t
}

// usual are keepalived's own defaults (keepalived.conf(5)).
func usual(kind string) timing {
	retries, delay := 1, 1
	switch kind {
	case cluster.CheckHTTP, cluster.CheckHTTPS:
		retries, delay = 3, 3
	case cluster.CheckDNS:
		retries, delay = 3, defaultDelay
	case cluster.CheckMisc:
		retries = 0
	}
	return timing{secondsOf(defaultDelay), secondsOf(5), secondsOf(delay), &retries}
}

// time takes a directive of the timing, and tells whether it is one. In is the keyword of
// its block.
func (im *importer) time(t *timing, d Directive, in string) bool {
	to := map[string]*cluster.Duration{"delay_loop": &t.interval, "connect_timeout": &t.timeout, "misc_timeout": &t.timeout, "delay_before_retry": &t.retryDelay}[d.Keyword()]
	switch {
	case d.Keyword() == "retry" || d.Keyword() == "nb_get_retry":
		if d.Keyword() == "nb_get_retry" && in != "HTTP_GET" && in != "SSL_GET" {
			im.note(d, "%s: keepalived knows it in HTTP_GET and SSL_GET alone, and passes it over in %s, where retry is meant: lvsdr takes it for that", shown(d.text()), in)
		}
		if n, ok := im.number(d, d.arg(), 100); ok {
			t.retries = &n
		}
		return true
	case to == nil:
		return false
	}
	seconds, err := strconv.ParseFloat(d.arg(), 64)
	if err != nil || seconds < 0 || seconds > time.Hour.Seconds() {
		im.lost(d, "%s is left out: seconds up to an hour are wanted", shown(d.text()))
		return true
	}
	whole := max(int(seconds+0.5), 1)
	if float64(whole) != seconds {
		im.note(d, "%s: lvsdr takes whole seconds, from 1: %d", shown(d.text()), whole)
	}
	*to = secondsOf(whole)
	return true
}

// kindOf is the type of a check by keepalived's name, empty where lvsdr has none.
func kindOf(keyword string) string {
	for kind, name := range checkers {
		if name == keyword {
			return kind
		}
	}
	return ""
}

// rcheck is a check while it is read.
type rcheck struct {
	Directive
	kind         string
	port, status int
	path         string
	name, record string
	script, user string
	hosts        int // host { } of SMTP_CHECK
	timing
}

// checker reads a check of a real_server.
func (im *importer) checker(r *rserver, d Directive) {
	c := rcheck{Directive: d, kind: kindOf(d.Keyword())}
	for _, in := range d.Block {
		switch keyword := in.Keyword(); {
		case keyword == "connect_port":
			c.port, _ = im.number(in, in.arg(), 65535)
		case keyword == "url":
			im.url(&c, in)
		case keyword == "type" && c.kind == cluster.CheckDNS:
			c.record = strings.ToUpper(in.arg())
		case keyword == "name" && c.kind == cluster.CheckDNS, keyword == "helo_name":
			c.name = in.arg()
		case keyword == "host" && c.kind == cluster.CheckSMTP:
			im.mailHost(&c, r.Address, in)
		case keyword == "connect_ip":
			im.asked(in, r.Address)
		case keyword == "misc_path":
			c.script = in.arg()
		case keyword == "user":
			im.scriptUser(&c, in)
		case im.time(&c.timing, in, d.Keyword()):
		default:
			im.fate(in, checkFates)
		}
	}
	if im.incomplete(&c) {
		return
	}
	if r.check != nil {
		im.lost(d, "%s: left out: lvsdr has one check for a real server, and it has %s", d.Keyword(), r.check.Keyword())
		return
	}
	r.check = &c
}

// url reads the page of HTTP_GET and SSL_GET.
func (im *importer) url(c *rcheck, d Directive) {
	if c.path != "" {
		im.lost(d, "url: left out: lvsdr asks for one page, and it is %s", shown(c.path))
		return
	}
	c.path = "/"
	for _, in := range d.Block {
		switch in.Keyword() {
		case "path":
			c.path = in.arg()
		case "status_code":
			n, err := strconv.Atoi(in.arg())
			if err != nil || len(in.Words) > 2 || n < 100 || n > 599 {
				im.lost(in, "%s is left out: one status is possible, such as 200; without one any of 200 to 299 is good", shown(in.text()))
				continue
			}
			c.status = n
		default:
			im.fate(in, checkFates)
		}
	}
}

// check is the one of a service: that of its real servers, which lvsdr looks after alike.
func (im *importer) check(v *vserver) {
	i := slices.IndexFunc(v.servers, func(r rserver) bool { return r.check != nil })
	if i < 0 {
		im.virtualHosts(v)
		if im.looked && len(v.servers) > 0 {
			im.note(v.Directive, "%s has no check: lvsdr looks after its real servers as usual, each port by itself", shown(v.text()))
			v.check = &cluster.Check{Interval: v.interval}
		}
		return
	}
	first := v.servers[i].checked(v)
	v.check = &first
	im.virtualHosts(v)
	for _, r := range v.servers {
		switch {
		case r.check == nil:
			im.lost(r.Directive, "%s has no check, and lvsdr looks after it as after %s", r.Address, v.servers[i].Address)
		case !reflect.DeepEqual(r.checked(v), first):
			im.lost(r.check.Directive, "%s: left out: lvsdr has one check for all real servers of a service, that of %s",
				r.check.Keyword(), v.servers[i].Address)
		}
	}
}

// virtualHosts tells of the host that a page is asked of. To other checks it is nothing.
func (im *importer) virtualHosts(v *vserver) {
	pages := v.check != nil && (v.check.Type == cluster.CheckHTTP || v.check.Type == cluster.CheckHTTPS)
	hosts := v.hosts
	for _, r := range v.servers {
		hosts = append(hosts, r.hosts...)
	}
	for _, d := range hosts {
		im.remark(d, pages, "%s: left out: lvsdr asks for the page by the real server's address, without the name of a host", []any{shown(d.text())})
	}
}

// checked is the real server's check with keepalived's defaults.
func (r rserver) checked(v *vserver) cluster.Check {
	c := *r.check
	t := c.or(r.timing).or(v.timing)
	switch c.kind { // what is not a number of its own is delay_loop
	case cluster.CheckDNS:
		t.retryDelay = cmp.Or(t.retryDelay, t.interval)
	case cluster.CheckMisc:
		t.timeout = cmp.Or(c.timeout, t.interval, secondsOf(defaultDelay))
	}
	t = t.or(usual(c.kind))
	full := cluster.Check{Type: c.kind, Port: cmp.Or(c.port, int(r.port)), Interval: t.interval, Timeout: t.timeout, Retries: t.retries,
		RetryDelay: t.retryDelay, Path: c.path, Status: c.status, Name: c.name, Record: c.record, User: c.user}
	if full.Script = general(c.script, r, v); full.Script != "" {
		full.Port = 0
	}
	return full
}

// brief leaves out what is as usual with lvsdr; nil where all is.
func (im *importer) brief(v *vserver, port cluster.Port) *cluster.Check {
	if v.check == nil {
		return nil
	}
	c := *v.check
	asksNone := c.Type == cluster.CheckPing || c.Type == cluster.CheckMisc
	if asksNone {
		c.Port = 0
	} else if c.Type != "" && c.Port == 0 && port.Number == 0 {
		im.lost(v.Directive, "%s: its check has no port to ask, and is left out", shown(v.text()))
		c = cluster.Check{Interval: c.Interval}
	}
	datagrams := c.Type == cluster.CheckUDP || c.Type == cluster.CheckDNS
	its := port.Protocol == cluster.TCP && !datagrams || port.Protocol == cluster.UDP && datagrams
	if c.Port == int(port.Number) && its {
		c.Port = 0
	} else if c.Port == 0 && !its && !asksNone && c.Type != "" {
		c.Port = int(port.Number)
	}
	if c.Type == (&cluster.Check{Port: c.Port}).For(port).Type {
		c.Type = ""
	}
	usual := (&cluster.Check{Type: c.Type, Port: c.Port}).For(port)
	leave(&c.Interval, usual.Interval)
	leave(&c.Timeout, usual.Timeout)
	leave(&c.RetryDelay, usual.RetryDelay)
	leave(&c.Path, usual.Path)
	leave(&c.Record, usual.Record)
	leave(&c.User, usual.User)
	if c.Retries != nil && *c.Retries == *usual.Retries {
		c.Retries = nil
	}
	if c == (cluster.Check{}) {
		return nil
	}
	return &c
}

func leave[T comparable](value *T, usual T) {
	if *value == usual {
		var none T
		*value = none
	}
}

// quorum keeps one that counts and can be had.
func (im *importer) quorum(v *vserver, s *cluster.Service) {
	total := 0
	for _, r := range s.RealServers {
		total += weight(r)
	}
	if s.Quorum > total && total > 0 {
		im.remark(find(v.Directive, "quorum"), len(s.RealServers) < len(v.servers), "quorum %d is more than all weights together: it is %d here, as keepalived corrects it itself", []any{s.Quorum, total})
		s.Quorum = total
	}
	if s.Quorum == 1 {
		s.Quorum = 0
	}
}

func weight(r cluster.RealServer) int {
	if r.Weight == nil {
		return 1
	}
	return *r.Weight
}

// sorry takes the sorry server, which answers on the service's own port.
func (im *importer) sorry(v *vserver, s *cluster.Service, port uint16) {
	d := v.sorry
	if d == nil {
		return
	}
	a := addresses(d.arg())
	switch {
	case len(a) != 1 || a[0].Is4() != s.VIP.Is4():
		im.lost(*d, "%s is left out: an address of the VIP's family is wanted", shown(d.text()))
		return
	case a[0].IsLoopback() || a[0] == s.VIP:
		im.lost(*d, "%s is left out: it is the director itself, and with lvsdr another host is the sorry server", shown(d.text()))
		return
	case len(d.Words) > 2 && d.Words[2] != strconv.Itoa(int(port)):
		im.note(*d, "port %s does nothing with DR: packets keep port %d", shown(d.Words[2]), port)
	}
	if slices.ContainsFunc(s.RealServers, func(r cluster.RealServer) bool { return r.Address == a[0] }) {
		im.lost(*d, "%s is left out: it is a real server of the service", shown(d.text()))
		return
	}
	s.SorryServer = a[0]
}

// looksAfter tells whether keepalived does more than set the table: then it is to go on.
func looksAfter(all []Directive) bool {
	return slices.ContainsFunc(all, func(d Directive) bool {
		return d.Keyword() == "virtual_server" && slices.ContainsFunc(d.Block, func(in Directive) bool {
			return in.Keyword() == "quorum" || in.Keyword() == "sorry_server" ||
				in.Keyword() == "real_server" && slices.ContainsFunc(in.Block, func(c Directive) bool { return kindOf(c.Keyword()) != "" })
		})
	})
}
