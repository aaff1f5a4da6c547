/** Leave this site for a page of the issuer. */
export const leaveFor = (url: URL): void => window.location.assign(url);
