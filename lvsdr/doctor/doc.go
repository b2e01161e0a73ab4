// Package doctor has the checks that tell why a cluster does not work, one file a
// subject. A [Check] is one question; an [Exam] asks those of a role side by side, lets
// them share what was seen, and returns a [Finding] for each answer.
//
// A check judges what is in force on the host and on the LAN, not whether lvsdr made
// it. It changes nothing: what mends a finding is told, and done by the steps.
package doctor
