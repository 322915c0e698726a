ALTER TABLE public.customers ADD PRIMARY KEY (id);
ALTER TABLE public.customers ADD CONSTRAINT customers_external_id_key UNIQUE (external_id);
ALTER TABLE public.customers ADD CONSTRAINT customers_email_key UNIQUE (email);
CREATE INDEX customers_last_name_idx ON public.customers (last_name);

ALTER TABLE public.orders ADD PRIMARY KEY (id, placed_on);
ALTER TABLE public.orders ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES public.customers (id);
ALTER TABLE public.orders ADD CONSTRAINT orders_product_id_fkey FOREIGN KEY (product_id) REFERENCES public.products (id);
CREATE INDEX orders_customer_id_idx ON public.orders (customer_id);

ALTER TABLE public.payments ADD PRIMARY KEY (id);
ALTER TABLE public.payments ADD CONSTRAINT payments_order_fkey FOREIGN KEY (order_id, placed_on) REFERENCES public.orders (id, placed_on);
ALTER TABLE public.payments ADD CONSTRAINT payments_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES public.customers (id);
CREATE INDEX payments_customer_id_idx ON public.payments (customer_id);

ALTER TABLE public.support_notes ADD PRIMARY KEY (id);
ALTER TABLE public.support_notes ADD CONSTRAINT support_notes_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES public.customers (id);
CREATE INDEX support_notes_customer_id_idx ON public.support_notes (customer_id);

CREATE VIEW public.customer_totals AS
	SELECT c.id, c.email, count(o.id) AS orders, coalesce(sum(o.total), 0) AS total
	FROM public.customers c LEFT JOIN public.orders o ON o.customer_id = c.id
	GROUP BY c.id, c.email;

CREATE FUNCTION public.open_orders(customer bigint) RETURNS bigint STABLE LANGUAGE sql AS $$
	SELECT count(*) FROM public.orders WHERE customer_id = customer AND status = 'open'
$$;
