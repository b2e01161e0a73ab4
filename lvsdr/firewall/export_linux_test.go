package firewall

// LegacyFilter is legacyFilter, for the tests, which are outside the package because
// they use steps.
var LegacyFilter = legacyFilter
