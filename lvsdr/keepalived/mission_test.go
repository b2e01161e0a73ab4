package keepalived

import _ "embed" // its text

// mission is a director's keepalived.conf as people pass it on: it was made of a sample,
// for NAT, and its comments are older than its lines.
//
//go:embed testdata/mission.conf
var mission string
