package cluster

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// The engines: who keeps the IPVS table as the configuration says.
const (
	// EngineIPVS: the table is as lvsdr sets it, until somebody changes it.
	EngineIPVS = "ipvs"
	// EngineKeepalived: keepalived takes a real server out of the table while its health
	// check fails.
	EngineKeepalived = "keepalived"
)

var engineNames = []string{EngineIPVS, EngineKeepalived}

// Keepalived tells whether the engine is keepalived.
func (c Config) Keepalived() bool { return c.Engine == EngineKeepalived }

// The types of a health check.
const (
	CheckTCP   = "tcp"
	CheckUDP   = "udp"
	CheckHTTP  = "http"
	CheckHTTPS = "https"
	CheckPing  = "ping"
)

var checkTypes = []string{CheckTCP, CheckUDP, CheckHTTP, CheckHTTPS, CheckPing}

// A Check is how keepalived looks after the real servers of a service. What is not given
// has a default, see [Check.For].
type Check struct {
	// Type is tcp (a connection), udp (no ICMP error comes back), http or https (a page),
	// or ping; tcp for a TCP port, udp for a UDP one, else ping, when not given.
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
	// Path is the page of http and https; / when not given.
	Path string `yaml:"path,omitempty" json:"path,omitempty"`
	// Status is what the page must be answered with; any of 200 to 299 when not given.
	Status int `yaml:"status,omitempty" json:"status,omitempty"`
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
	if full.Type == CheckHTTP || full.Type == CheckHTTPS {
		full.Path = cmp.Or(full.Path, "/")
	}
	if full.Type == CheckPing {
		full.Port = 0
	}
	return full
}

// String tells the check in short: "tcp port 80 every 6s", "http port 80 /health every 6s".
func (c Check) String() string {
	text := c.Type
	if c.Port != 0 {
		text += " port " + strconv.Itoa(c.Port)
	}
	if c.Path != "" {
		text += " " + c.Path
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

// SorryServers returns the addresses of the sorry servers, each once.
func (c Config) SorryServers() []netip.Addr {
	var all []netip.Addr
	for _, s := range c.Services {
		if s.SorryServer.IsValid() && !slices.Contains(all, s.SorryServer) {
			all = append(all, s.SorryServer)
		}
	}
	return all
}

// MinimumWeight is [Service.Quorum] with its default.
func (s Service) MinimumWeight() int { return cmp.Or(s.Quorum, 1) }

// sameEngine tells whether both have the same engine, and it the same to do.
func (c Config) sameEngine(other Config) bool {
	if c.Keepalived() != other.Keepalived() {
		return false
	}
	return !c.Keepalived() || reflect.DeepEqual(c.watched(), other.watched())
}

// watch is what keepalived does beyond the table.
type watch struct {
	check  Check
	quorum int
	sorry  netip.Addr
}

func (c Config) watched() map[claim_]watch {
	all := map[claim_]watch{}
	for _, s := range c.Services {
		for _, p := range s.AllPorts() {
			all[claim_{s.VIP, p}] = watch{s.Check.For(p), s.MinimumWeight(), s.SorryServer}
		}
	}
	return all
}
