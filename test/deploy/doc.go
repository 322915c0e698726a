// Package deploy checks what the product is deployed with: the compose file and the Helm chart. It is a module of its own,
// because Helm and Kubernetes are no dependencies of the product.
package deploy
