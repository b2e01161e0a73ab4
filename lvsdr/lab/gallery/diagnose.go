//go:build linux

package gallery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lab"
)

// Doctor runs lvsdr doctor on the host and returns its findings.
func (c *Cluster) Doctor(ctx context.Context, host string) ([]doctor.Finding, error) {
	out, err := c.Host(host).Run(ctx, "sh", "-c", "lvsdr doctor -o json "+c.DoctorArgs(host))
	var report struct {
		Findings []doctor.Finding
		Error    *struct{ Message string }
	}
	if e := json.Unmarshal([]byte(out), &report); e != nil {
		return nil, fmt.Errorf("lvsdr doctor on %s: %w: %q: %v", host, e, out, err)
	}
	var exit *exec.ExitError
	switch {
	case report.Error != nil && len(report.Findings) == 0:
		return nil, fmt.Errorf("lvsdr doctor on %s: %s", host, report.Error.Message)
	case err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1):
		return nil, err
	}
	return report.Findings, nil
}

// DoctorArgs are the role and the flags of the doctor on the host.
func (c *Cluster) DoctorArgs(host string) string {
	flags := c.Flags
	if flags == "" {
		flags = Flags
	}
	if c.Passive {
		flags += " --passive"
	}
	return c.Role(host) + " " + flags
}

// Diagnose runs the doctor on several hosts side by side.
func (c *Cluster) Diagnose(ctx context.Context, names ...string) (map[string][]doctor.Finding, error) {
	var mu sync.Mutex
	found := map[string][]doctor.Finding{}
	hosts := make([]*lab.Host, len(names))
	for i, name := range names {
		hosts[i] = c.Host(name)
	}
	err := each(hosts, func(h *lab.Host) error {
		findings, err := c.Doctor(ctx, h.Name)
		mu.Lock()
		defer mu.Unlock()
		found[h.Name] = findings
		return err
	})
	return found, err
}

// DiagnoseInTurn runs the doctor on one host after the other.
func (c *Cluster) DiagnoseInTurn(ctx context.Context, names ...string) (map[string][]doctor.Finding, error) {
	found := map[string][]doctor.Finding{}
	for _, name := range names {
		findings, err := c.Doctor(ctx, name)
		if err != nil {
			return found, err
		}
		found[name] = findings
	}
	return found, nil
}

// Bad returns the findings that are neither ok nor skipped, as "severity code".
func Bad(findings []doctor.Finding) []string {
	var bad []string
	for _, f := range findings {
		if f.Severity != doctor.OK && f.Severity != doctor.Skipped {
			bad = append(bad, string(f.Severity)+" "+f.Check)
		}
	}
	return bad
}

// Mend runs the fix of a finding that the doctor on host made, where it says to.
func (c *Cluster) Mend(ctx context.Context, host string, f doctor.Finding) error {
	return c.runWhere(ctx, host, f, f.Fix)
}

// runWhere runs commands on the host that the finding is about.
func (c *Cluster) runWhere(ctx context.Context, host string, f doctor.Finding, commands string) error {
	at := c.Host(host)
	if f.On != "" {
		if at = c.at(f.On); at == nil {
			return fmt.Errorf("the fix is for %s, which is no host's address", f.On)
		}
	}
	return c.Sh(ctx, at.Name, commands)
}

// Follow does what the doctor says of the fault's first sight, and what a person
// does besides.
func (c *Cluster) Follow(ctx context.Context, f Fault, finding doctor.Finding) error {
	if finding.Fix != "" {
		if err := c.Mend(ctx, f.Sights[0].Host, finding); err != nil {
			return err
		}
	}
	if f.Advised != "" {
		if !strings.Contains(finding.Advice, f.Advised) {
			return fmt.Errorf("the advice does not name %q: %s", f.Advised, finding.Advice)
		}
		if err := c.runWhere(ctx, f.Sights[0].Host, finding, f.Advised); err != nil {
			return err
		}
	}
	if f.Claimed(c.Client.Name) {
		// The claimant's answers are in the client's neighbour table still, as the
		// advice of vip-claim says.
		if err := c.Sh(ctx, c.Client.Name, "ip neigh flush all"); err != nil {
			return err
		}
	}
	if f.Heal != nil {
		return f.Heal(ctx, c)
	}
	return nil
}

// Claimed tells whether the host sees another than the director answer for the VIP,
// or nobody.
func (f Fault) Claimed(host string) bool {
	return slices.ContainsFunc(f.Sights, func(s Sight) bool { return s.Host == host && s.Code == "vip-claim" })
}

// at returns the host with this address.
func (c *Cluster) at(addr string) *lab.Host {
	for _, h := range c.Hosts() {
		if h.IPv4.Addr().String() == addr || h.IPv6.Addr().String() == addr {
			return h
		}
	}
	return nil
}

// URL is what the client visits.
func (c *Cluster) URL() string {
	switch {
	case c.Flags == routedFlags:
		return routedURL
	case strings.Contains(c.Flags, "fd00:10::22"):
		return "http://[fd00:10::22]/"
	}
	return "http://10.10.10.22/"
}

// Serves requests the VIP a few times from the client and fails when a request
// fails.
func (c *Cluster) Serves(ctx context.Context) error {
	for range 2 * len(c.RealServers) {
		if _, err := c.Client.Get(ctx, c.URL()); err != nil {
			return err
		}
	}
	return nil
}
