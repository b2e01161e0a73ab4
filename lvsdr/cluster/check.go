package cluster

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// The types of a health check.
const (
	CheckTCP   = "tcp"
	CheckUDP   = "udp"
	CheckHTTP  = "http"
	CheckHTTPS = "https"
	CheckPing  = "ping"
	CheckDNS   = "dns"
	CheckSMTP  = "smtp"
	CheckMisc  = "misc"
)

var checkTypes = []string{CheckTCP, CheckUDP, CheckHTTP, CheckHTTPS, CheckPing, CheckDNS, CheckSMTP, CheckMisc}

// The records that a check of the type dns can ask for.
var dnsRecords = []string{"A", "AAAA", "NS", "CNAME", "SOA", "MX", "TXT"}

// DefaultScriptUser is who runs a script where the check says nobody else: nobody.
const DefaultScriptUser = "nobody"

// What stands for the real server, the port and the VIP in [Check.Script].
const (
	ScriptAddress = "{address}"
	ScriptPort    = "{port}"
	ScriptVIP     = "{vip}"
)

// A Check is how keepalived looks after the real servers of a service. What is not given
// has a default, see [Check.For].
type Check struct {
	// Type is tcp (a connection), udp (no ICMP error comes back), http or https (a page),
	// ping, dns (an answer by UDP), smtp (a greeting), or misc (a script); tcp for a TCP
	// port, udp for a UDP one, else ping, when not given.
	Type string `yaml:"type,omitempty" json:"type,omitempty"`
	// Port is the real server's port that is asked; that of the service when not given.
	Port int `yaml:"port,omitempty" json:"port,omitempty"`
	// Interval is the time from one look to the next, whole seconds; 6s when not given.
	Interval Duration `yaml:"interval,omitempty" json:"interval,omitzero"`
	// Timeout is how long an answer is waited for, whole seconds; 3s when not given, 5s
	// for udp.
	Timeout Duration `yaml:"timeout,omitempty" json:"timeout,omitzero"`
	// Retries is how often a failed look is repeated before the real server is taken
	// out; 2 when not given.
	Retries *int `yaml:"retries,omitempty" json:"retries,omitempty"`
	// RetryDelay is the time before a look is repeated, whole seconds; 1s when not given.
	RetryDelay Duration `yaml:"retryDelay,omitempty" json:"retryDelay,omitzero"`
	// Path is the page of http and https, which need it.
	Path string `yaml:"path,omitempty" json:"path,omitempty"`
	// Status is what the page must be answered with; any of 200 to 299 when not given.
	Status int `yaml:"status,omitempty" json:"status,omitempty"`
	// Name is what dns asks for, a domain of the real servers' own, and the host that smtp
	// says it is.
	Name string `yaml:"name,omitempty" json:"name,omitempty"`
	// Record is the type of record that dns asks for; A when not given.
	Record string `yaml:"record,omitempty" json:"record,omitempty"`
	// Script is the program of misc with its arguments, in which {address}, {port} and
	// {vip} stand for those of the real server and the service. Exit status 0 is healthy.
	Script string `yaml:"script,omitempty" json:"script,omitempty"`
	// User is who runs the script; nobody when not given.
	User string `yaml:"user,omitempty" json:"user,omitempty"`
}

// Program is the file of the script.
func (c Check) Program() string {
	program, _, _ := strings.Cut(c.Script, " ")
	return program
}

const (
	defaultInterval   = 6 * time.Second
	defaultTimeout    = 3 * time.Second
	defaultUDPTimeout = 5 * time.Second // ARP takes 3 s to tell that a host is gone
	defaultRetries    = 2
	defaultRetryDelay = time.Second
)

// For is the check at one of the service's ports with every default filled in. Port 0
// stays where it is not asked for.
func (c *Check) For(port Port) Check {
	var full Check
	if c != nil {
		full = *c
	}
	full.Type = cmp.Or(full.Type, defaultCheck(port, full.Port))
	full.Port = cmp.Or(full.Port, int(port.Number))
	full.Interval = cmp.Or(full.Interval, Duration(defaultInterval))
	timeout, retries := defaultTimeout, defaultRetries
	if full.Type == CheckUDP {
		timeout = defaultUDPTimeout
	}
	full.Timeout = cmp.Or(full.Timeout, Duration(timeout))
	if full.Retries == nil {
		full.Retries = &retries
	}
	full.RetryDelay = cmp.Or(full.RetryDelay, Duration(defaultRetryDelay))
	switch full.Type {
	case CheckPing:
		full.Port = 0
	case CheckDNS:
		full.Record = cmp.Or(full.Record, "A")
	case CheckMisc:
		full.User = cmp.Or(full.User, DefaultScriptUser)
	}
	return full
}

// String tells the check in short: "tcp port 80 every 6s", "http port 80 /health every 6s".
func (c Check) String() string {
	text := c.Type
	if c.Port != 0 && c.Type != CheckMisc {
		text += " port " + strconv.Itoa(c.Port)
	}
	for _, what := range []string{c.Path, c.Record, c.Name, c.Script} {
		if what != "" {
			text += " " + what
		}
	}
	return text + " every " + c.Interval.String()
}

// defaultCheck is the type of a check that has none.
func defaultCheck(port Port, asked int) string {
	switch {
	case port.Protocol == SCTP || port.Number == 0 && asked == 0:
		return CheckPing
	case port.Protocol == UDP:
		return CheckUDP
	}
	return CheckTCP
}

// A Script is a program that looks after real servers, with the service whose check it is.
type Script struct {
	Service       int
	Program, User string
}

// Scripts are those of the checks.
func (c Config) Scripts() []Script {
	var all []Script
	for i, s := range c.Services {
		if s.Check != nil && s.Check.Type == CheckMisc {
			all = append(all, Script{i, s.Check.Program(), cmp.Or(s.Check.User, DefaultScriptUser)})
		}
	}
	return all
}
