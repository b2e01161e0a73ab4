// Package keepalived reads and writes keepalived.conf (keepalived.conf(5)).
//
// [Parse] makes a tree of directives of a file and those that it includes, with
// definitions, conditions and quotes resolved as keepalived 2.2.7 resolves them.
// [Config.Render] is its inverse. [Config.Cluster] is what the tree says as our
// description of a cluster, with a remark for each line that says more or something
// else; [FromCluster] is the way back.
//
// The package runs no keepalived and opens no file.
package keepalived
