/** A static export: pages, scripts and styles as files, for the API locally and for a CDN. */
/** @type {import("next").NextConfig} */
const config = {
  output: "export",
  trailingSlash: true,
  reactStrictMode: true,
  poweredByHeader: false,
  images: { unoptimized: true },
  // `npm run lint` does both; a build should not do them again.
  eslint: { ignoreDuringBuilds: true },
  typescript: { ignoreBuildErrors: true },
  experimental: { cpus: 1, workerThreads: false },
};

export default config;
