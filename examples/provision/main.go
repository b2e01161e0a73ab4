// Provision makes this host what a cluster's description says it is, proves that it
// works, and reports as JSON: what a provisioning tool does with package lvsdr. It adds
// a step and a check of its own to the role.
//
//	provision FILE     # as root
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/lvsdr/toolkit/lvsdr"
	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/host"
	"github.com/lvsdr/toolkit/lvsdr/ipvs"
	"github.com/lvsdr/toolkit/lvsdr/step"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: provision FILE")
		os.Exit(2)
	}
	text, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = provision(context.Background(), lvsdr.Local(), os.Args[1], text, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "provision:", err)
		os.Exit(1)
	}
}

// A report is what was done and found, one JSON document.
type report struct {
	Role     string           `json:"role"`
	Why      string           `json:"why"`
	Planned  []string         `json:"planned"`
	Changes  []step.Change    `json:"changes"`
	Findings []doctor.Finding `json:"findings"` // what is not well
	Error    string           `json:"error,omitempty"`
}

// provision plans, sets up and proves, and writes the report also when it fails.
func provision(ctx context.Context, h *host.Host, file string, text []byte, out io.Writer) error {
	var r report
	err := r.fill(ctx, h, file, text)
	if err != nil {
		r.Error = err.Error()
	}
	if e := json.NewEncoder(out).Encode(r); err == nil {
		err = e
	}
	return err
}

func (r *report) fill(ctx context.Context, h *host.Host, file string, text []byte) error {
	c, err := cluster.ParseConfig(file, text)
	if err != nil {
		return err // a *cluster.ConfigError with line and column
	}
	if r.Role, r.Why, err = lvsdr.Find(ctx, h, c); err != nil {
		return err
	}
	role, err := roleOf(r.Role, c)
	if err != nil {
		return err
	}
	plan, err := role.Plan(ctx, h, step.Present)
	if err != nil {
		return err
	}
	for _, change := range plan {
		r.Planned = append(r.Planned, change.String())
	}
	if r.Changes, err = role.Up(ctx, h); err != nil {
		return err // a *doctor.PreflightError when the host is not to be touched
	}
	findings, err := role.Prove(ctx, h)
	for _, f := range append(findings, role.Doctor(ctx, h)...) {
		if f.Severity != doctor.OK && f.Severity != doctor.Skipped {
			r.Findings = append(r.Findings, f)
		}
	}
	return err
}

// roleOf is the role with our own step last and our own check last.
func roleOf(name string, c cluster.Config) (role lvsdr.Role, err error) {
	if name == cluster.DirectorRole {
		role, err = lvsdr.Director(c)
	} else {
		role, err = lvsdr.RealServer(c)
	}
	role.Steps = append(role.Steps, motd{name})
	role.Checks = append(role.Checks, spare)
	return role, err
}

const motdFile = "/etc/motd.d/lvsdr"

// motd tells whoever logs in what the host is.
type motd struct{ role string }

func (motd) Name() string { return "motd" }

func (m motd) Plan(_ context.Context, h *host.Host, want step.State) ([]step.Change, error) {
	file := step.OwnFile{Name: motdFile, Role: m.role, Step: m.Name()}
	if want == step.Absent {
		return file.Absent(h)
	}
	return file.Present(h, "This host is a "+m.role+" of an LVS cluster.\n")
}

// spare asks the LAN, together with the doctor's own checks.
var spare = &doctor.Check{
	Code:  "spare",
	Title: "each service outlives the loss of one real server",
	Wire:  true,
	Run: func(ctx context.Context, e *doctor.Exam) ([]doctor.Problem, error) {
		if e.Role != cluster.DirectorRole {
			return nil, nil // a real server sees only the others
		}
		paths, err := e.PathsOnLAN(ctx)
		serving := map[ipvs.ID]int{}
		for _, p := range paths {
			if p.Serves {
				serving[p.Service]++
			}
		}
		var problems []doctor.Problem
		for _, s := range e.Config.VirtualServices() {
			if n := serving[s.ID]; n < 2 {
				problems = append(problems, doctor.Problem{Severity: doctor.Warning,
					What: fmt.Sprintf("%s is served by %d real servers", s.ID, n), Advice: "Add a real server, or mend those that do not answer."})
			}
		}
		return problems, err
	},
}
