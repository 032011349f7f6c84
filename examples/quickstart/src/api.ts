// #region verify
import { BehalfError, type Store } from "@behalf/sdk";
import { bearerToken, createVerifier, requireDetails, requireScopes } from "@behalf/sdk/verify";

/** `POST /orders`: takes an order that the token's user has approved, each approval once. */
export function createOrdersApi({ issuer, store }: { issuer: string; store: Store }) {
  const verifier = createVerifier({ issuer, audience: "https://orders.example/", store });
  return async (request: Request): Promise<Response> => {
    try {
      const claims = await verifier.verify(bearerToken(request));
      requireScopes(claims, "orders:create");
      const { type: _, ...order } = requireDetails(claims, "order", await request.text());
      await verifier.consume(claims); // right before the effect: a token that is sent twice orders once
      return Response.json({ id: claims.jti, ...order }, { status: 201 });
    } catch (error) {
      if (!BehalfError.is(error)) throw error;
      return Response.json({ code: error.code, message: error.message }, { status: error.status ?? 503 });
    }
  };
}
// #endregion
