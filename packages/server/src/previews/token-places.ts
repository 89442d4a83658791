/** The places in which a request may carry the token of a preview address. The guest sees none of them. */
export const tokenPlaces = { query: 'nova_token', cookie: 'nova_preview', header: 'nova-preview-token' } as const;

/** The address that begins a visit. */
export const previewUrl = (origin: string, token: string): string => `${origin}/?${tokenPlaces.query}=${token}`;
