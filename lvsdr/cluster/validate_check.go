package cluster

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

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
	v.question(c)
	v.script(c)
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
		switch c.Type {
		case CheckPing:
			v.add("check.port", strconv.Itoa(c.Port), "a ping has no port")
		case CheckMisc:
			v.add("check.port", strconv.Itoa(c.Port), "a script has its port among its arguments: there, "+ScriptPort+" is the service's")
		}
		return
	}
	for _, p := range v.s.AllPorts() {
		switch full := c.For(p); {
		case full.Type == CheckPing, full.Type == CheckMisc && p.Number != 0:
		case full.Type == CheckMisc:
			if strings.Contains(c.Script, ScriptPort) {
				v.add("check.script", c.Script, "a service of every port has no "+ScriptPort+": write the one that the script is to ask")
				return
			}
		case p.Number == 0:
			v.add("check.port", "", "a service of every port needs the port that "+full.Type+" asks, such as port: 80")
			return
		case full.datagrams() != (p.Protocol == UDP) || p.Protocol == SCTP:
			v.add("check.type", c.Type, fmt.Sprintf("%s cannot ask port %s: give the port that it is to ask, such as port: 80", full.Type, p))
			return
		}
	}
}

// page checks what http and https have.
func (v serviceValidation) page(c Check) {
	http := c.Type == CheckHTTP || c.Type == CheckHTTPS
	if c.Path == "" && http {
		v.add("check.path", "", "the type "+c.Type+" needs the page that tells whether a real server is well, such as path: /health")
	} else if c.Path != "" && !http {
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

// datagrams tells whether the check asks by UDP.
func (c Check) datagrams() bool { return c.Type == CheckUDP || c.Type == CheckDNS }

// question checks what dns and smtp have.
func (v serviceValidation) question(c Check) {
	switch {
	case c.Name == "" && c.Type == CheckDNS:
		v.add("check.name", "", "the type dns needs a name that the real servers can answer for, such as name: www.example.org")
	case c.Name != "" && c.Type != CheckDNS && c.Type != CheckSMTP:
		v.add("check.name", c.Name, "only the types dns and smtp have a name")
	case c.Name != "" && c.Name != "." && !domainName().MatchString(c.Name):
		v.add("check.name", c.Name, "a domain name is wanted, such as www.example.org")
	}
	if c.Record != "" && c.Type != CheckDNS {
		v.add("check.record", c.Record, "only the type dns asks for a record")
	} else if c.Record != "" && !slices.Contains(dnsRecords, c.Record) {
		v.add("check.record", c.Record, "a record is one of "+oneOf(dnsRecords))
	}
}

var (
	domainName = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?$`)
	})
	userName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`) })
	braced   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{[^{}]*\}`) })
)

// script checks what misc has.
func (v serviceValidation) script(c Check) {
	switch {
	case c.Type != CheckMisc:
		if c.Script != "" {
			v.add("check.script", c.Script, "only the type misc runs a script")
		}
		if c.User != "" {
			v.add("check.user", c.User, "only the type misc runs a script, as a user")
		}
		return
	case c.Script == "":
		v.add("check.script", "", "the type misc needs a script: its full path and arguments, such as script: /usr/local/bin/check "+ScriptAddress+" "+ScriptPort)
	case !fullPath(c.Script):
		v.add("check.script", c.Script, "the full path of the script is wanted, such as /usr/local/bin/check: keepalived would look for it in its own PATH")
	case !plainWords(c.Script):
		v.add("check.script", c.Script, "plain words with a blank between them are wanted, none of "+NotInScripts+": no shell reads them")
	default:
		v.placeholders(c.Script)
	}
	if c.User != "" && !userName().MatchString(c.User) {
		v.add("check.user", c.User, "the name of a user is wanted, such as "+DefaultScriptUser)
	}
}

// NotInScripts are the characters that [Check.Script] cannot hold, besides those that are
// not printed.
const NotInScripts = "\"'\\#!$~`"

// ScriptText tells whether [Check.Script] can be that text, but for its braces.
func ScriptText(text string) bool { return fullPath(text) && plainWords(text) }

func fullPath(script string) bool { return strings.HasPrefix(script, "/") }

func plainWords(script string) bool {
	return !strings.ContainsFunc(script, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(NotInScripts, r) })
}

// placeholders refuses those that nothing stands for.
func (v serviceValidation) placeholders(script string) {
	known := []string{ScriptAddress, ScriptPort, ScriptVIP}
	left := braced().ReplaceAllStringFunc(script, func(name string) string {
		if slices.Contains(known, name) {
			return ""
		}
		return name
	})
	if strings.ContainsAny(left, "{}") {
		v.add("check.script", script, "in braces one of "+oneOf(known)+" is wanted")
	}
}
