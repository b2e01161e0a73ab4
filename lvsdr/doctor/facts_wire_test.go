package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
	"github.com/lvsdr/toolkit/lvsdr/doctor"
	"github.com/lvsdr/toolkit/lvsdr/lvsdrtest"
)

// A check of an importer's sees what the survey of the doctor's own checks has seen.
func TestFactsOfTheWire(t *testing.T) {
	const dead = "lan del 02:00:00:00:00:32 10.10.10.32\nlan answer 02:00:00:00:00:31 10.10.10.22:80 reset\n"
	for name, test := range map[string]struct {
		world *lvsdrtest.World
		role  string
		want  []string
	}{
		"client": {lvsdrtest.Client(lvsdrtest.HealthyLAN()), cluster.ClientRole, []string{
			"10.10.10.22 on eth0 here=false [02:00:00:00:00:30]",
			"tcp 10.10.10.22:80 at 10.10.10.31 02:00:00:00:00:31 accepted serves=true",
			"tcp 10.10.10.22:80 at 10.10.10.32 02:00:00:00:00:32 accepted serves=true"}},
		"director": {lvsdrtest.Director(lvsdrtest.HealthyLAN()+"ip addr add 10.10.10.22/32 dev eth0 label eth0:0\n", dead), cluster.DirectorRole, []string{
			"10.10.10.22 on eth0 here=true []",
			"tcp 10.10.10.22:80 at 10.10.10.31 02:00:00:00:00:31 reset serves=false",
			"tcp 10.10.10.22:80 at 10.10.10.32   serves=false"}},
		"two directors": {lvsdrtest.Client(lvsdrtest.HealthyLAN() + "lan add 02:00:00:00:00:29 10.10.10.22\n" + dead), cluster.ClientRole, []string{
			"10.10.10.22 on eth0 here=false [02:00:00:00:00:29 02:00:00:00:00:30]",
			"tcp 10.10.10.22:80 at 10.10.10.31 02:00:00:00:00:31 reset serves=false",
			"tcp 10.10.10.22:80 at 10.10.10.32   serves=false"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			look := func(ctx context.Context, e *doctor.Exam) ([]doctor.Problem, error) {
				var err error
				got, err = wireFacts(ctx, e)
				return nil, err
			}
			own := &doctor.Check{Code: "own", Title: "the wire is seen", Run: look}
			role := wireRole(t, test.role, "")
			e := role.Exam(test.world.Host())
			e.Checks, e.Only = append(e.Checks, own), []string{"own"}
			if findings := soon(t, t.Context(), e); !slices.Equal(got, test.want) {
				t.Errorf("got %q, %q", got, told(findings))
			}
			got, e.Passive = nil, true
			if findings := soon(t, t.Context(), e); got != nil || len(findings) != 1 || findings[0].Severity != doctor.Skipped {
				t.Errorf("in a passive exam %q, %q", got, told(findings))
			}
		})
	}
}

func wireFacts(ctx context.Context, e *doctor.Exam) (all []string, err error) {
	vips, err := e.VIPsOnLAN(ctx)
	paths, more := e.PathsOnLAN(ctx)
	if errors.Is(err, doctor.ErrPassive) != errors.Is(more, doctor.ErrPassive) {
		return nil, fmt.Errorf("%w, but %w", err, more)
	}
	for _, v := range vips {
		all = append(all, fmt.Sprintf("%v on %s here=%v %v", v.Addr, v.Link, v.Here, v.Answerers))
	}
	for _, p := range paths {
		all = append(all, fmt.Sprintf("%v at %v %v %s serves=%v", p.Service, p.RealServer, p.MAC, p.Reply.Outcome, p.Serves))
	}
	all = slices.DeleteFunc(all, func(text string) bool { return strings.Contains(text, "fd00:") })
	return all, errors.Join(err, more)
}
