package host

import (
	"fmt"
	"net/netip"
	"strings"
)

// ShellLine renders words as a command for a POSIX shell, each as one word whatever
// characters it has: names of files and interfaces may hold nearly all. What is plain
// is left as it is.
func ShellLine(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = ShellWord(w)
	}
	return strings.Join(quoted, " ")
}

// ShellWord quotes one word for a POSIX shell (Shell Command Language, section 2.2.2)
// where that is needed. What does not print is written as octal numbers for printf(1),
// so that the command can be read and copied.
func ShellWord(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,@%+-"
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	if strings.ContainsFunc(word, hidden) {
		return `"$(printf '` + octal(word) + `')"`
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// octal is a format of printf(1) that gives the text. A command substitution takes
// line breaks at the end away: no name here ends with one.
func octal(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || strings.IndexByte(`\%'`, c) >= 0 {
			fmt.Fprintf(&b, `\%03o`, c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// OwnAddressCommand shows a person how an interface is given an address of its own in
// the subnet of ip, whose size is guessed.
func OwnAddressCommand(ip netip.Addr, link string) string {
	example := netip.PrefixFrom(ip, 24)
	if ip.Is6() {
		example = netip.PrefixFrom(ip, 64)
	}
	return fmt.Sprintf("ip address add ADDRESS/%d dev %s with an ADDRESS of %s", example.Bits(), ShellWord(link), example.Masked())
}
