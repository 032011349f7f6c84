/** What people are asked to approve. */
export const KETTLE = { item: "kettle", quantity: 1, amount: "39.90", currency: "EUR" };
