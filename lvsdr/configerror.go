package lvsdr

import "fmt"

// A ConfigError tells where a configuration is wrong, what stands there, and what
// is allowed.
type ConfigError struct {
	File         string // empty when the configuration did not come from a file
	Line, Column int    // 1-based; 0 when it did not come from a file
	Path         string // "services[0].realServers[1].weight"
	Text         string // the offending text
	Reason       string // what is wrong and what is allowed
}

func (e *ConfigError) Error() string {
	where := e.Path
	if e.File != "" {
		where = fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Path)
	}
	return fmt.Sprintf("%s: %q: %s", where, e.Text, e.Reason)
}
