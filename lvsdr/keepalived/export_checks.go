package keepalived

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

// checkers are keepalived's names of the types of a check.
var checkers = map[string]string{
	cluster.CheckTCP: "TCP_CHECK", cluster.CheckUDP: "UDP_CHECK", cluster.CheckHTTP: "HTTP_GET", cluster.CheckHTTPS: "SSL_GET", cluster.CheckPing: "PING_CHECK",
	cluster.CheckDNS: "DNS_CHECK", cluster.CheckSMTP: "SMTP_CHECK", cluster.CheckMisc: "MISC_CHECK",
}

// checker is how keepalived looks after a real server.
func checker(v virtual, rip netip.Addr) Directive {
	c := v.check
	inner := asks(c)
	if c.Type == cluster.CheckMisc {
		inner = []Directive{one("misc_path", filled(v, rip)), one("misc_timeout", seconds(c.Timeout)), one("user", c.User)}
	} else {
		inner = append(inner, one("connect_timeout", seconds(c.Timeout)))
	}
	inner = append(inner, one("retry", strconv.Itoa(*c.Retries)), one("delay_before_retry", seconds(c.RetryDelay)))
	return Directive{Words: []string{checkers[c.Type]}, Block: inner}
}

// asks is what a check asks, and where.
func asks(c cluster.Check) (inner []Directive) {
	switch {
	case c.Path != "":
		url := []Directive{one("path", c.Path)}
		if c.Status != 0 {
			url = append(url, one("status_code", strconv.Itoa(c.Status)))
		}
		inner = append(inner, Directive{Words: []string{"url"}, Block: url})
	case c.Type == cluster.CheckDNS:
		inner = append(inner, one("type", c.Record), one("name", c.Name))
	case c.Type == cluster.CheckSMTP && c.Name != "":
		inner = append(inner, one("helo_name", c.Name))
	}
	if c.Port != 0 {
		inner = append(inner, one("connect_port", strconv.Itoa(c.Port)))
	}
	return inner
}

// filled is the script of misc for a real server.
func filled(v virtual, rip netip.Addr) string {
	return strings.NewReplacer(cluster.ScriptAddress, rip.String(), cluster.ScriptPort, strconv.Itoa(v.check.Port),
		cluster.ScriptVIP, v.VIP.String()).Replace(v.check.Script)
}

// security has keepalived run no script as root that others may write.
func (x *exporter) security() []Directive {
	if len(x.Scripts()) == 0 {
		return nil
	}
	return []Directive{one("enable_script_security")}
}

// AsRoot is the configuration with root as the user of each check's script, for
// keepalived -t: that of 2.2.7 ends itself by SIGTERM at another one
// (https://github.com/acassen/keepalived/pull/2180).
func (c Config) AsRoot() Config { return Config{Directives: asRoot(c.Directives), Left: c.Left} }

func asRoot(all []Directive) []Directive {
	all = slices.Clone(all)
	for i, d := range all {
		if d.Keyword() != "MISC_CHECK" {
			all[i].Block = asRoot(d.Block)
			continue
		}
		all[i].Block = slices.Clone(d.Block)
		for j, in := range d.Block {
			if in.Keyword() == "user" {
				all[i].Block[j] = one("user", "root")
			}
		}
	}
	return all
}
