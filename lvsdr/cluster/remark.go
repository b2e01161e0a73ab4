package cluster

import "fmt"

// A Remark is what a description from elsewhere says and a [Config] cannot say, or says
// otherwise.
type Remark struct {
	// File and Line are where it stands; Line is 0 where there is none.
	File string
	Line int
	// Object is what it is about: "tcp 10.10.10.22:80"; may be empty.
	Object string
	// Text is what was found and what became of it.
	Text string
	// Lost tells that the cluster serves differently for it. Else nothing that serves
	// changes.
	Lost bool
}

// String renders the remark as "keepalived.conf:12: tcp 10.10.10.22:80: text".
func (r Remark) String() string {
	text := r.Text
	if r.Object != "" {
		text = r.Object + ": " + text
	}
	switch {
	case r.Line > 0:
		return fmt.Sprintf("%s:%d: %s", r.File, r.Line, text)
	case r.File != "":
		return r.File + ": " + text
	}
	return text
}
