package cluster

import (
	"fmt"
	"strconv"
	"strings"
)

// A ConfigError tells where a configuration is wrong, what stands there, and what
// is allowed.
type ConfigError struct {
	File         string // empty when the configuration did not come from a file
	Line, Column int    // 1-based; 0 when it did not come from a file
	Path         string // "services[0].realServers[1].weight"; empty for a word on its own
	Text         string // the offending text, cut at 60 characters; empty when something is missing
	Reason       string // what is wrong and what is allowed
}

// Error renders the error as
//
//	lvsdr.yaml:8:42: services[0].realServers[1].weight: "70000": 0 to 65535 is allowed
//
// without the parts that are empty.
func (e *ConfigError) Error() string {
	var parts []string
	if place := e.place(); place != "" {
		parts = append(parts, place)
	}
	if e.Path != "" {
		parts = append(parts, e.Path)
	}
	if e.Text != "" {
		parts = append(parts, strconv.Quote(e.Text))
	}
	return strings.Join(append(parts, e.Reason), ": ")
}

func (e *ConfigError) place() string {
	switch {
	case e.Line == 0:
		return e.File
	case e.File == "":
		return fmt.Sprintf("%d:%d", e.Line, e.Column)
	}
	return fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
}
