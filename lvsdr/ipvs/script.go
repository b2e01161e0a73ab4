package ipvs

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A Script is what commands of ipvsadm make of an empty table.
type Script struct {
	Entries  []Entry
	Timeouts Timeouts // of --set; 0 is left alone
	// Lines are those that made a service, by [ID.String], and a real server of it, by
	// [ServerName].
	Lines map[string]int
}

// A ScriptError tells the line that is no command of ipvsadm, or one that cannot be
// carried out.
type ScriptError struct {
	Line   int
	Text   string
	Reason string
}

func (e *ScriptError) Error() string { return fmt.Sprintf("%d: %q: %s", e.Line, e.Text, e.Reason) }

// ParseScript reads what "ipvsadm -S -n" writes and "ipvsadm -R" reads, and the same as
// commands in a shell script: a line each, with "ipvsadm" before them or without. Empty
// lines, comments (#) and commands that list or save the table are passed over; whatever
// else is no command of ipvsadm that makes a table is refused with its line.
func ParseScript(text string) (Script, error) {
	s := Script{Lines: map[string]int{}}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if reason := s.line(i+1, words); reason != "" {
			return Script{}, &ScriptError{i + 1, short(strings.TrimSpace(line)), reason}
		}
	}
	return s, nil
}

func (s *Script) line(n int, words []string) (reason string) {
	if words[0] == "sudo" {
		words = words[1:]
	}
	switch first := strings.Join(words[:min(1, len(words))], ""); {
	case first == "ipvsadm" || strings.HasSuffix(first, "/ipvsadm"):
		if words = words[1:]; len(words) == 0 || looks(words[0]) {
			return ""
		}
	case !strings.HasPrefix(first, "-"):
		return "a command of ipvsadm is wanted, as ipvsadm -S -n writes it: -A -t 10.10.10.22:80 -s wrr; of a script run it, and save what it has made"
	}
	o, reason := scanOptions(words)
	if reason != "" {
		return reason
	}
	return s.do(n, o)
}

// looks tells of a command that makes nothing: it lists the table, saves it, or sets its
// counters to 0.
func looks(option string) bool {
	for _, name := range []string{"list", "save", "zero"} {
		if option == "--"+name {
			return true
		}
	}
	return len(option) > 1 && option[0] == '-' && strings.ContainsRune("LlSZ", rune(option[1]))
}

// do carries out one command.
func (s *Script) do(n int, o options) string {
	switch o.command {
	case "clear":
		*s = Script{Timeouts: s.Timeouts, Lines: map[string]int{}}
		return ""
	case "set":
		return s.setTimeouts(o)
	case "":
		return "there is no command: -A, -E, -D, -a, -e, -d, -C or --set"
	}
	e, reason := o.service()
	if reason != "" {
		return reason
	}
	at := slices.IndexFunc(s.Entries, func(before Entry) bool { return before.ID == e.ID })
	switch known := at >= 0; {
	case o.command == "add-service" && known:
		return "the service was added before"
	case o.command != "add-service" && !known:
		return "there is no such service before this line: " + e.ID.String()
	}
	switch o.command {
	case "add-service":
		s.Entries = append(s.Entries, e)
		s.Lines[e.ID.String()] = n
	case "edit-service":
		s.Entries[at].Service = e.Service
		s.Lines[e.ID.String()] = n
	case "delete-service":
		s.Entries = slices.Delete(s.Entries, at, at+1)
	default:
		return s.server(n, o, &s.Entries[at])
	}
	return ""
}

func (s *Script) server(n int, o options, e *Entry) string {
	d, reason := o.destination(e.ID)
	if reason != "" {
		return reason
	}
	at := slices.IndexFunc(e.Destinations, func(before Destination) bool {
		return before.Addr == d.Addr && before.Port == d.Port
	})
	switch known := at >= 0; {
	case o.command == "add-server" && known:
		return "the real server was added before"
	case o.command != "add-server" && !known:
		return "the service has no such real server before this line"
	}
	s.Lines[ServerName(e.ID, d)] = n
	switch o.command {
	case "add-server":
		e.Destinations = append(e.Destinations, d)
	case "edit-server":
		e.Destinations[at] = d
	case "delete-server":
		e.Destinations = slices.Delete(e.Destinations, at, at+1)
	}
	return ""
}

// ServerName names a real server of a service: "real server 10.10.10.31:80 of tcp
// 10.10.10.22:80".
func ServerName(id ID, d Destination) string {
	return fmt.Sprintf("real server %s of %s", netip.AddrPortFrom(d.Addr, d.Port), id)
}

func (s *Script) setTimeouts(o options) string {
	if len(o.rest) != 3 {
		return "--set wants three numbers of seconds: TCP, TCP-FIN and UDP; 0 leaves one alone"
	}
	for i, t := range []*time.Duration{&s.Timeouts.TCP, &s.Timeouts.TCPFin, &s.Timeouts.UDP} {
		seconds, reason := number(o.rest[i], maxSeconds)
		if reason != "" {
			return reason
		}
		if seconds > 0 {
			*t = time.Duration(seconds) * time.Second
		}
	}
	return ""
}
