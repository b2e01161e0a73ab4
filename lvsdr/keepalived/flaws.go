package keepalived

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// A Flaw is what keepalived takes without a word and what hurts a cluster of direct
// routing later. Those of one Kind have the same cause and the same mend.
type Flaw struct {
	Kind FlawKind
	Directive
	// Insert is the directive that the block lacks, empty where it lacks none.
	Insert string
}

// FlawKind is a kind of flaw.
type FlawKind uint8

// The kinds, in the order in which [Config.Flaws] has them.
const (
	NoMethod     FlawKind = iota // a virtual_server without lb_kind: keepalived takes NAT
	SlowChecks                   // delay_loop of a minute or more, or none, which is a minute
	NoAlpha                      // real servers get connections before their first check
	Strict                       // vrrp_strict: what is for a VIP is dropped
	NoPreempt                    // nopreempt beside state MASTER, which wins
	LongPassword                 // auth_pass longer than VRRP has room for
	Twice                        // an address in two vrrp_instances
)

// Flaws are the flaws of the configuration, by kind, each in the order of the file.
func (c Config) Flaws() []Flaw {
	kinds := [Twice + 1][]Flaw{}
	tell := func(k FlawKind, d Directive, insert string) { kinds[k] = append(kinds[k], Flaw{k, d, insert}) }
	holder := map[netip.Addr]string{}
	for _, d := range c.Directives {
		switch d.Keyword() {
		case "virtual_server":
			serverFlaws(d, tell)
		case "global_defs":
			if strict := find(d, "vrrp_strict"); strict.Words != nil && c.heedsStrict() {
				tell(Strict, strict, "")
			}
		case "vrrp_instance":
			instanceFlaws(d, holder, tell)
		}
	}
	var all []Flaw
	for _, flaws := range kinds {
		all = append(all, flaws...)
	}
	return all
}

func serverFlaws(d Directive, tell func(FlawKind, Directive, string)) {
	if !hasMethod(d) {
		tell(NoMethod, d, "lb_kind DR")
	}
	switch delay := find(d, "delay_loop"); {
	case !checked(d):
	case delay.Words == nil && within(d, "delay_loop"): // the real servers have their own
	case delay.Words == nil:
		tell(SlowChecks, d, "delay_loop 6")
	case numberOf(delay.arg()) >= defaultDelay:
		tell(SlowChecks, delay, "")
	}
	if checked(d) && !within(d, "alpha") {
		tell(NoAlpha, d, "alpha")
	}
}

// hasMethod tells whether each real server of a virtual_server has a forwarding method.
func hasMethod(d Directive) bool {
	own := 0
	for _, in := range d.Block {
		switch in.Keyword() {
		case "lb_kind", "lvs_method":
			return true
		case "real_server":
			if find(in, "lvs_method").Words == nil && find(in, "lb_kind").Words == nil {
				return false
			}
			own++
		}
	}
	return own > 0
}

// checked tells whether a virtual_server looks after the health of a real server.
func checked(d Directive) bool {
	for _, server := range d.Block {
		for _, in := range server.Block {
			if strings.HasSuffix(in.Keyword(), "_CHECK") || strings.HasSuffix(in.Keyword(), "_GET") {
				return true
			}
		}
	}
	return false
}

// within tells whether the keyword is in the block, or in a block of it.
func within(d Directive, keyword string) bool {
	for _, in := range d.Block {
		if in.Keyword() == keyword || within(in, keyword) {
			return true
		}
	}
	return false
}

// heedsStrict tells whether a vrrp_instance takes vrrp_strict for its own.
func (c Config) heedsStrict() bool {
	for _, d := range c.Directives {
		if d.Keyword() != "vrrp_instance" {
			continue
		}
		if own := find(d, "strict_mode"); own.Words == nil || own.arg() == "" || isOn(own.arg()) {
			return true
		}
	}
	return false
}

// numberOf reads a time, which may have a fraction; 0 where it is none.
func numberOf(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return n
}

func instanceFlaws(d Directive, holder map[netip.Addr]string, tell func(FlawKind, Directive, string)) {
	if no := find(d, "nopreempt"); no.Words != nil && find(d, "state").arg() == "MASTER" {
		tell(NoPreempt, no, "")
	}
	if password := find(find(d, "authentication"), "auth_pass"); password.Words != nil && len(password.arg()) > maxPassword {
		tell(LongPassword, password, "")
	}
	if strict := find(d, "strict_mode"); strict.Words != nil && (strict.arg() == "" || isOn(strict.arg())) {
		tell(Strict, strict, "")
	}
	for _, list := range d.Block {
		if list.Keyword() != "virtual_ipaddress" && list.Keyword() != "virtual_ipaddress_excluded" {
			continue
		}
		for _, in := range list.Block {
			text, _, _ := strings.Cut(in.Keyword(), "/")
			addr, err := netip.ParseAddr(text)
			if err != nil {
				continue
			}
			if other, ok := holder[addr]; ok && other != d.arg() {
				tell(Twice, in, "")
			}
			holder[addr] = d.arg()
		}
	}
}

func isOn(word string) bool { return word == "on" || word == "true" || word == "yes" }

// Place is where the directive stands, and what: "/etc/keepalived/keepalived.conf:12:
// virtual_server 10.10.10.22 80".
func (d Directive) Place() string { return fmt.Sprintf("%s:%d: %s", d.File, d.Line, shown(d.text())) }
