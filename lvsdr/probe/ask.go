package probe

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"time"
)

// grace is how long after the last first answer another one is waited for.
const grace = 30 * time.Millisecond

// most is how many MAC addresses are kept of those that answer a question, or claim an
// address. Whoever floods the LAN has thousands, and each would make the next frame
// dearer; what is more is counted.
const most = 16

// An asking is an [Ask] under way.
type asking struct {
	questions []Question
	about     map[netip.Addr][]int // the questions of each target
	answers   [][]Answer
	silent    int  // questions without an answer
	all       bool // some question waits for all
}

func newAsking(questions []Question) *asking {
	about := make(map[netip.Addr][]int, len(questions))
	for i, q := range questions {
		about[q.Target] = append(about[q.Target], i)
	}
	return &asking{
		questions: questions, about: about, answers: make([][]Answer, len(questions)), silent: len(questions),
		all: slices.ContainsFunc(questions, func(q Question) bool { return q.All }),
	}
}

// frames are those of the questions not answered yet.
func (a *asking) frames(mac net.HardwareAddr) ([][]byte, error) {
	var frames [][]byte
	for i, q := range a.questions {
		if len(a.answers[i]) > 0 {
			continue
		}
		question := arpQuestion
		if q.Target.Is6() {
			question = solicitation
		}
		frame, err := question(mac, q.Target, q.Source)
		if err != nil {
			return nil, err
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

// take looks at a frame that came in.
func (a *asking) take(frame []byte) {
	if r, ok := parseARP(frame); ok && r.op == ARPReply {
		a.answer(r.senderIP, r.goalIP, Answer{MAC: r.sender, From: r.from})
	}
	if n, ok := parseND(frame); ok && n.advertisement {
		a.answer(n.target, n.destination, Answer{MAC: n.mac, From: n.from, Router: n.router})
	}
}

// answers tells whether an answer to goal is one to this question: the owner
// answers a probe, which has no source, to the unspecified address (ARP) or to all
// nodes.
func (q Question) answers(goal netip.Addr) bool {
	if !q.Source.IsValid() || q.Source.IsUnspecified() {
		return goal.IsUnspecified() || goal.IsMulticast() || goal == q.Target
	}
	return goal == q.Source
}

func (a *asking) answer(target, goal netip.Addr, got Answer) {
	for _, i := range a.about[target] {
		same := func(x Answer) bool { return bytes.Equal(x.MAC, got.MAC) }
		if !a.questions[i].answers(goal) || slices.ContainsFunc(a.answers[i], same) {
			continue
		}
		if n := len(a.answers[i]); n == most {
			a.answers[i][n-1].More++
			continue
		}
		if len(a.answers[i]) == 0 {
			a.silent--
		}
		a.answers[i] = append(a.answers[i], got)
	}
}

// wait tells how much longer to wait at the most.
func (a *asking) wait() time.Duration {
	if a.silent > 0 || a.all {
		return never
	}
	return grace
}
