package host

import "strings"

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
// where that is needed.
func ShellWord(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=,@%+-"
	if word != "" && strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
