import "svelte/elements";

declare module "svelte/elements" {
  // What media-chrome reads from the elements inside its controller.
  interface HTMLAttributes<T extends EventTarget> {
    noautohide?: boolean;
  }
}
