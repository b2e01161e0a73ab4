package keepalived

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/lvsdr/toolkit/lvsdr/cluster"
)

const (
	maxThreshold = math.MaxInt32
	// maxSeconds is what a kernel takes as a timeout at any HZ; keepalived 2.2.7 takes more.
	maxSeconds = math.MaxInt32 / 1000
)

func secondsOf(n int) cluster.Duration { return cluster.Duration(time.Duration(n) * time.Second) }

// number reads a number from 0 to most, or tells that it is none.
func (im *importer) number(d Directive, text string, most int) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	if d.Words != nil && (err != nil || n > uint64(most)) {
		im.lost(d, "%s is left out: a number from 0 to %d is wanted", shown(d.text()), most)
	}
	if err != nil || n > uint64(most) {
		return 0, false
	}
	return int(n), true
}

// prefixLength reads a netmask, or a prefix length, as a length from 1; 0 is neither.
func prefixLength(text string, bits int) int {
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= bits {
		return n
	}
	mask, err := netip.ParseAddr(text)
	if err != nil || !mask.Is4() || bits != 32 {
		return 0
	}
	for n := 1; n <= 32; n++ {
		if netmask(n) == text {
			return n
		}
	}
	return 0
}

// netmask is an IPv4 prefix length as 255.255.255.0.
func netmask(length int) string {
	mask := ^uint32(0) << (32 - length)
	return netip.AddrFrom4([4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)}).String()
}

// shown is a text from outside within a message: cut, and quoted when it holds what does
// not print.
func shown(s string) string {
	s = short(s)
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return strconv.Quote(s)
	}
	return s
}

// contradictions tells of comments that stand beside a number and say another one.
func contradictions(all []Directive, note func(Directive, string, ...any)) {
	for _, d := range all {
		contradictions(d.Block, note)
		said := numbersIn(d.Beside)
		if len(said) == 0 || len(d.Words) != 2 || d.Block != nil || d.Keyword() == "priority" { // the other director's, most times
			continue
		}
		if _, err := strconv.Atoi(d.arg()); err != nil {
			continue
		}
		if !agrees(said, d.arg()) {
			note(d, "the comment beside %s says %s: the line counts, not the comment", shown(d.text()), strings.Join(said, " and "))
		}
	}
}

func agrees(said []string, value string) bool {
	for _, n := range said {
		if n == strings.TrimPrefix(value, "-") {
			return true
		}
	}
	return false
}

// numbersIn are the whole numbers that stand alone in a text: not those of addresses,
// versions and names.
func numbersIn(text string) []string {
	part := func(r rune) bool {
		return r < unicode.MaxASCII && (r == '.' || r == ':' || r == '/' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r))
	}
	var all []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !part(r) }) {
		word = strings.TrimRight(word, ".:")
		number := strings.TrimSuffix(word, "s")
		if number != "" && strings.Trim(number, "0123456789") == "" {
			all = append(all, number)
		}
	}
	return all
}
