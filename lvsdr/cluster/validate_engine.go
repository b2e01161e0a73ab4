package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// wrongEngine tells what is wrong with the name of the engine.
func wrongEngine(name string) string {
	if name == "" || slices.Contains(engineNames, name) {
		return ""
	}
	return "an engine is wanted: " + oneOf(engineNames)
}

// watching checks what keepalived is to do for a service.
func (v serviceValidation) watching(c Config, vips map[netip.Addr]string) {
	if !c.Keepalived() {
		v.withoutKeepalived()
		return
	}
	if v.s.Check != nil {
		v.check(*v.s.Check)
	}
	v.quorum()
	if v.s.SorryServer.IsValid() {
		v.sorryServer(vips)
	}
}

// withoutKeepalived refuses what would do nothing.
func (v serviceValidation) withoutKeepalived() {
	const cure = "it is keepalived's to do: write engine: keepalived (at the top of the file), or leave it out"
	if v.s.Check != nil {
		v.add("check", "", cure)
	}
	if v.s.Quorum != 0 {
		v.add("quorum", strconv.Itoa(v.s.Quorum), cure)
	}
	if v.s.SorryServer.IsValid() {
		v.add("sorryServer", v.s.SorryServer.String(), cure)
	}
}

func (v serviceValidation) check(c Check) {
	if c.Type != "" && !slices.Contains(checkTypes, c.Type) {
		v.add("check.type", c.Type, "a check is one of "+oneOf(checkTypes))
		return
	}
	if c.Port < 0 || c.Port > 65535 {
		v.add("check.port", strconv.Itoa(c.Port), "a port is 1 to 65535")
	}
	v.checkPort(c)
	for _, t := range []struct {
		key string
		d   Duration
	}{{"interval", c.Interval}, {"timeout", c.Timeout}, {"retryDelay", c.RetryDelay}} {
		if reason := wrongCheckTime(t.d); reason != "" {
			v.add("check."+t.key, t.d.String(), reason)
		}
	}
	if c.Retries != nil && (*c.Retries < 0 || *c.Retries > maxRetries) {
		v.add("check.retries", strconv.Itoa(*c.Retries), fmt.Sprintf("a number from 0 to %d is wanted", maxRetries))
	}
	v.page(c)
}

const (
	maxRetries   = 100
	maxCheckTime = time.Hour
)

// wrongCheckTime is for the times of a check.
func wrongCheckTime(d Duration) string {
	if reason := wrongSeconds(d); reason != "" {
		return reason
	}
	if time.Duration(d) > maxCheckTime {
		return "at most " + maxCheckTime.String() + " is allowed: a dead real server would stay for so long"
	}
	return ""
}

// checkPort refuses a check that no port of the service can be asked by.
func (v serviceValidation) checkPort(c Check) {
	if c.Port != 0 {
		if c.Type == CheckPing {
			v.add("check.port", strconv.Itoa(c.Port), "a ping has no port")
		}
		return
	}
	for _, p := range v.s.AllPorts() {
		switch full := c.For(p); {
		case full.Type == CheckPing:
		case p.Number == 0:
			v.add("check.port", "", "a service of every port needs the port that "+full.Type+" asks, such as port: 80")
			return
		case full.Type != CheckUDP && p.Protocol != TCP, full.Type == CheckUDP && p.Protocol != UDP:
			v.add("check.type", c.Type, fmt.Sprintf("%s cannot ask port %s: give the port that it is to ask, such as port: 80", full.Type, p))
			return
		}
	}
}

// page checks what http and https have.
func (v serviceValidation) page(c Check) {
	http := c.Type == CheckHTTP || c.Type == CheckHTTPS
	if c.Path != "" && !http {
		v.add("check.path", c.Path, "only the types http and https ask for a page")
	} else if c.Path != "" && (!strings.HasPrefix(c.Path, "/") || strings.ContainsFunc(c.Path, func(r rune) bool { return r <= ' ' || r > '~' })) {
		v.add("check.path", c.Path, "the path of a page is wanted, such as /health; what is no plain ASCII is written as %20")
	}
	if c.Status != 0 && !http {
		v.add("check.status", strconv.Itoa(c.Status), "only the types http and https have a status")
	} else if c.Status != 0 && (c.Status < 100 || c.Status > 599) {
		v.add("check.status", strconv.Itoa(c.Status), "a status of HTTP is 100 to 599, such as 200")
	}
}

// quorum is a sum of weights.
func (v serviceValidation) quorum() {
	q, total := v.s.Quorum, 0
	for _, r := range v.s.RealServers {
		total += r.weight()
	}
	switch {
	case q < 0:
		v.add("quorum", strconv.Itoa(q), "the least sum of weights that serves is wanted, 1 or more")
	case q > 1 && len(v.s.RealServers) > 0 && q > total:
		v.add("quorum", strconv.Itoa(q), fmt.Sprintf("is more than all weights together, %d: the service would never serve", total))
	}
}

func (v serviceValidation) sorryServer(vips map[netip.Addr]string) {
	_, address, reason := v.wrongRealServer(RealServer{Address: v.s.SorryServer}, vips)
	if reason == "" && slices.ContainsFunc(v.s.RealServers, func(r RealServer) bool { return r.Address == v.s.SorryServer }) {
		reason = "is a real server of this service: the sorry server takes over when they are out"
	}
	if reason != "" {
		v.add("sorryServer", address, reason)
	}
}
